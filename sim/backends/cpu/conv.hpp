#pragma once
// Convolution (groups = 1) and Linear: out[y, x, o] = sum over kx, ky, channel of weight * input,
// then the epilogue.
//
// Order per output: kx, ky, channel ascending, one accumulator from +0, acc = fma(w, x, acc). For
// spikes that is: add the weights of the set inputs in that order, so the event kernel and the
// dense kernel give the same bits.
//
// event_conv: outputs are cut into spans of up to 64 neighbours of one row. Per span and step one
// list of events is built over the input columns the span sees, column by column, in each column
// ky, then channel: id = (column * K + ky) * C + channel, with the place of each column's first
// event. The window of an output is then one contiguous run of the list, in the order above, and
// the weight row of an event is id - first column * K * C. A weight tile serves all outputs of a
// group of spans and all steps. Work is proportional to spikes; a group whose inputs fire more
// often than PackedConv::dense_load takes a dense kernel: fp32 that of dense_conv, integers that of
// dense_bits.hpp or, where the machine has no dot products, that of dense_conv on their numbers.
//
// dense_conv: real operands; see dense-inl.hpp.

#include "sim/backends/cpu/packed.hpp"

namespace spikeloom::cpu {

using ConvKernel = void (*)(const PackedConv&, const PackedEpilogue&, const UnitIo&);
ConvKernel event_conv_for(int64_t target);
ConvKernel dense_conv_for(int64_t target);

}  // namespace spikeloom::cpu
