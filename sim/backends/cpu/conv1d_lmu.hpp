#pragma once
// Operators along the step axis: Conv1d and the Legendre memory, then the epilogue. Both read steps
// around their own where they stand in memory, step_stride apart (sim/plan/session.hpp: zeros
// outside a sample).
//
// conv1d: the inputs of one output are one run of memory, so real operands need no gathering;
// spikes of all steps of the chunk become one ascending list of events, a window of which is what
// one step adds up. lmu: sums of table rows in double, vectors over the memory's order; see
// PackedLmu.

#include "sim/backends/cpu/packed.hpp"

namespace spikeloom::cpu {

using Conv1dKernel = void (*)(const PackedConv1d&, const PackedEpilogue&, const UnitIo&);
using LmuKernel = void (*)(const PackedLmu&, const PackedEpilogue&, const UnitIo&);
Conv1dKernel conv1d_for(int64_t target);
LmuKernel lmu_for(int64_t target);

}  // namespace spikeloom::cpu
