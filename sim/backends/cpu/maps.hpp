#pragma once
// What moves over maps without weights. Vectors run over channels, spikes over words of 64. Threads
// share output pixels.
//
//   PackedPool     sums, averages and maxima of windows, ky and then kx ascending
//   PackedFlatten  one row, channel by channel; threads share steps of spikes

#include "sim/backends/cpu/packed.hpp"

namespace spikeloom::cpu {

using PoolKernel = void (*)(const PackedPool&, const PackedEpilogue&, const UnitIo&);
PoolKernel pool_for(int64_t target);
using FlattenKernel = void (*)(const PackedFlatten&, const PackedEpilogue&, const UnitIo&);
FlattenKernel flatten_for(int64_t target);

}  // namespace spikeloom::cpu
