#pragma once
// What the arrays of a chain of layers and norms become when one operator takes its place.

#include <span>

#include "core/weights.hpp"
#include "sim/graph/op.hpp"

namespace spikeloom {

// A part of a chain as a norm; null: it is a layer.
const BatchNorm* norm_of(const Op& op);

// The arrays of the operator that `chain` (fuse.hpp says which there are) merges into: `weight` is
// filled as that operator stores it, [outputs][inputs][taps], `bias` [outputs]. All products are
// formed in double, sums over the channels in between in ascending order, and each element is
// rounded to fp32 once; the bits do not depend on `threads`. Memory besides the result: what lies
// between the first layer and the last one in double, and some inputs' columns for each thread.
void fold(std::span<const Op* const> chain, const Weights& weights, int threads, Tensor& weight,
          Tensor& bias);

}  // namespace spikeloom
