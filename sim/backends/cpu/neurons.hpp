#pragma once
// Neurons of any model of the table, with any parameters (neurons/neuron.hpp), on vectors
// over the channels. The simple ones (neurons/simple_lif.hpp) have faster kernels of their own, in
// epilogues and in elementwise.cpp.

#include <cstdint>

#include "sim/backends/cpu/packed.hpp"

namespace spikeloom::cpu {

using NeuronKernel = void (*)(const PackedNeuron& p, const PackedEpilogue& e, const UnitIo& io);
NeuronKernel neuron_for(int64_t target);

}  // namespace spikeloom::cpu
