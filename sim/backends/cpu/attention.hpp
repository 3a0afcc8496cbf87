#pragma once
// Attention.
//
//   KtV      A[h, i, j] = number of tokens n with K[n, h*d+i] and V[n, h*d+j]: the bits of a
//            step are transposed so that 32 or 64 tokens of a channel are a word; words of K and V
//            meet in an AND and a population count. Integers, exact in any order; the time does not
//            depend on the firing rate.
//   QApply   out[n, h*d+j] = scale * sum of A[h, i, j] over set Q[n, h*d+i]. Where all sums of a
//            head fit 8 or 16 bits, a table holds the sums of every subset of four neighbouring
//            rows of A, and a query adds one entry per four channels; else rows are gathered as
//            floats. Both exact below 2^24, then one product.
//   Softmax  softmax(scale * Q K^T) V per head, sums over d and tokens in double; dense twins only
//            (NMSE <= 1e-7).

#include "sim/backends/cpu/packed.hpp"

namespace spikeloom::cpu {

using KtVKernel = void (*)(const PackedKtV&, const PackedEpilogue&, const UnitIo&);
using QApplyKernel = void (*)(const PackedQApply&, const PackedEpilogue&, const UnitIo&);
using SoftmaxKernel = void (*)(const PackedSoftmax&, const PackedEpilogue&, const UnitIo&);
KtVKernel ktv_for(int64_t target);
QApplyKernel qapply_for(int64_t target);
SoftmaxKernel softmax_for(int64_t target);

}  // namespace spikeloom::cpu
