#pragma once
// Depthwise convolution (one input channel per output) and other groupings: out[y, x, c] = sum over
// kx, ky of weight[c, ky, kx] * input[.., .., c], kx, ky ascending, one accumulator from +0; then
// the epilogue.
//
// event_depthwise (spikes, stride 1, kernel <= 16, padding < kernel): per block of 16 channels,
// input columns x ascending. Each spike of column x adds `kernel` short weight vectors, contiguous
// in y, to the sums of the `kernel` output columns it reaches; spikes of a column go y ascending.
// An output therefore meets its spikes by x, then y: the written order. Only `kernel` columns of
// sums are open at a time (a ring, in the first-level cache); when input column x is done, the
// oldest one is complete, is transposed to channels last and finished. Zeros behind a weight vector
// change nothing.
//
// Above 18 % of set bits it gives way to the dense kernel: same bits.
//
// dense_depthwise: any operand, stride and size, vectors over channels; fma for real operands,
// additions under the mask of 16 channels' bits for spikes. grouped: plain loops.

#include "sim/backends/cpu/packed.hpp"

namespace spikeloom::cpu {

using DepthwiseKernel = void (*)(const PackedDepthwise&, const PackedEpilogue&, const UnitIo&);
DepthwiseKernel event_depthwise_for(int64_t target);  // only where packed.columns exists
DepthwiseKernel dense_depthwise_for(int64_t target);

using GroupedKernel = void (*)(const PackedGrouped&, const PackedEpilogue&, const UnitIo&);
GroupedKernel grouped_for(int64_t target);

}  // namespace spikeloom::cpu
