#pragma once
// Operators without weights matrices, each row computed into working memory and finished by the
// epilogue:
//
//   PackedNorm         y*s + t, two roundings; with pad, rows of the ring are t
//   PackedCopy         a neuron on its own: membranes stay in registers over the steps
//   PackedAdd          a + b, either real or spikes
//   PackedScale        x * factor, one for all, by channel or by element
//   PackedActivation   relu, relu^2, sigmoid, gelu
//   PackedMul          a * b
//   PackedSpatialMean  32 lanes, lane l = +0 + rows l, l+32, ... ascending; lanes fold by 16, 8,
//                      4, 2, 1; / rows
//   PackedStepMean     state += x; state / float(steps so far, this one included), or the sum, or
//                      the largest so far
//
// Vectors run over channels. Threads share rows (channels for the spatial mean).

#include "sim/backends/cpu/packed.hpp"

namespace spikeloom::cpu {

using ElementwiseKernel = void (*)(const PackedUnit&, const UnitIo&);
// Runs every alternative of PackedMain listed above.
ElementwiseKernel elementwise_for(int64_t target);

}  // namespace spikeloom::cpu
