#pragma once
// Depthwise convolution (one input channel per output) and other groupings: out[y, x, c] = sum over
// kx, ky of weight[c, ky, kx] * input[.., .., c], kx, ky ascending, one accumulator from +0; then
// the epilogue.
//
// depthwise (kernel 3, 5, 7 at stride 1): tiles of up to 14 outputs of an image column, one vector
// of channels. An input pixel is read once per column of the kernel, as the mask of 16 channels'
// bits or as real values, and serves up to `kernel` outputs of the tile, whose sums stay in
// registers. Kernel columns go ascending, in each of them input rows ascending: the written order.
// Rows outside the image are rows of zeros, which change no sum. Integer weights on spikes add up
// in 16 bits where no sum of a channel leaves them, else as floats, exact too. The time does not
// depend on the firing rate. Other kernels and strides: output by output.

#include "sim/backends/cpu/packed.hpp"

namespace spikeloom::cpu {

using DepthwiseKernel = void (*)(const PackedDepthwise&, const PackedEpilogue&, const UnitIo&);
DepthwiseKernel depthwise_for(int64_t target);

}  // namespace spikeloom::cpu
