#pragma once
// Attention.
//
//   KtV      A[h, i, j] = number of tokens n with K[n, h*d+i] and V[n, h*d+j]: for every set K
//   channel of a head, one is
//            added for every set V channel of it. Work = coincidences; integers, exact in any
//            order.
//   QApply   out[n, h*d+j] = scale * sum of A[h, i, j] over set Q[n, h*d+i]: rows of A are
//   gathered, exact in any order
//            below 2^24, then one product.
//   Softmax  softmax(scale * Q K^T) V per head, sums over d and tokens in double; dense twins only
//   (NMSE <= 1e-7).

#include "sim/backends/cpu/packed.hpp"

namespace spikeloom::cpu {

using KtVKernel = void (*)(const PackedKtV&, const PackedEpilogue&, const UnitIo&);
using QApplyKernel = void (*)(const PackedQApply&, const PackedEpilogue&, const UnitIo&);
using SoftmaxKernel = void (*)(const PackedSoftmax&, const PackedEpilogue&, const UnitIo&);
KtVKernel ktv_for(int64_t target);
QApplyKernel qapply_for(int64_t target);
SoftmaxKernel softmax_for(int64_t target);

}  // namespace spikeloom::cpu
