#pragma once
// What numbers in [[layer]] are held against, for parameters that are arrays of the checkpoint.

#include "models/layers/layers.hpp"
#include "models/layers/rows.hpp"

namespace spikeloom {

// Every neuron of a layer: its threshold lies above the reset, its time constants are no shorter
// than a step. `stored` and `arrays` as taken for the layer, channels last. Throws Error(kData)
// naming array and element.
void check_arrays(const LayerRow& row, const LayerArrays& arrays, const Weights& stored);

}  // namespace spikeloom
