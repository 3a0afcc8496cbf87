#pragma once
// Ordinary attention of dense twins.

#include "sim/graph/operator.hpp"

namespace spikeloom {

// Inputs Q, K, V; softmax(scale * Q K^T) V per head, in double. context 0: over the rows of a step
// (tokens N x C). Otherwise causal: values are vectors [C], and a step attends to itself and the
// context - 1 steps before it, as far as the sample has them.
struct SoftmaxAttention {
  int64_t heads = 1;
  float scale = 1.0f;
  int64_t context = 0;

  static constexpr const char* kKind = "softmax_attention";
  template <typename Self, typename V>
  static void fields(Self& o, V& v) {
    v.integer("heads", o.heads);
    v.single("scale", o.scale);
    v.optional_integer("context", o.context);
    v.label(o.context == 0 ? "softmax attention" : "causal softmax attention");
  }
  Inferred infer(Inputs in) const;
  static constexpr NoParameters parameters{};
  static constexpr NotALayer layer{};
  static constexpr NoState state{};
  StepWindow window() const;
  // Causal: a product of `channels` MACs for every pair of a step and one it sees (the context
  // reaches back to the first step).
  NodeWork work(const NodeRun& run) const;
  static constexpr NoArrays gain{};
  ValueBound bound(const BoundInput& in) const;
  static constexpr NotRecorded population{};
};

}  // namespace spikeloom
