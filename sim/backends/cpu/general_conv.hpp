#pragma once
// Convolutions of any window and grouping, one pixel after the other: sums lie in the first cache,
// one per output, and take what each tap adds in the order kx, ky, channel. Vectors run over
// outputs; of spikes only those that are set are read where all outputs share a group. Threads
// share output pixels.

#include "sim/backends/cpu/packed.hpp"

namespace spikeloom::cpu {

using GeneralConvKernel = void (*)(const PackedGeneralConv&, const PackedEpilogue&, const UnitIo&);
GeneralConvKernel general_conv_for(int64_t target);

}  // namespace spikeloom::cpu
