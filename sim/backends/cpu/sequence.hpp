#pragma once
// Operators of recurrent token models (equations in sim/graph/op.hpp):
//
//   PackedEmbedding  a row of the table      PackedLayerNorm  over the channels of a row
//   PackedDelay      steps back              PackedTokenMix   a*m + b*(1 - m)
//   PackedWkv        RWKV-4's average        PackedThreshold  spikes without state
//
// Vectors run over channels. Threads share rows; the steps of a row follow one another.

#include "sim/backends/cpu/packed.hpp"

namespace spikeloom::cpu {

using SequenceKernel = void (*)(const PackedUnit&, const UnitIo&);
// Runs every alternative of PackedMain listed above.
SequenceKernel sequence_for(int64_t target);

}  // namespace spikeloom::cpu
