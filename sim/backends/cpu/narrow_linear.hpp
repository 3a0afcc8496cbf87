#pragma once
// Linear layers of token models on weights of one or two bytes: one row of real numbers per step,
// so that a step reads every weight once and memory sets the pace.
//
// Order per output: acc = fma(w, x, acc) over the inputs from +0, w the stored number as fp32; what
// follows, the scale of integer weights first, is the epilogue. Weights are widened as they are
// loaded, those of the tile ahead are asked for in time, and up to 24 steps share a pass over a
// tile.

#include "sim/backends/cpu/packed.hpp"

namespace spikeloom::cpu {

using StreamKernel = void (*)(const PackedStream&, const PackedEpilogue&, const UnitIo&);
StreamKernel stream_for(int64_t target);

}  // namespace spikeloom::cpu
