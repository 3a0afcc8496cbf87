#pragma once
// Spike-driven attention, second product.

#include "sim/graph/operator.hpp"

namespace spikeloom {

// Inputs Q (spikes, N x C) and A (counts of KtV); out[n, h*d+j] = scale * sum over i with Q[n,
// h*d+i] of A[h, i, j].
struct QApply {
  int64_t heads = 1;
  float scale = 1.0f;

  static constexpr const char* kKind = "qapply";
  template <typename Self, typename V>
  static void fields(Self& o, V& v) {
    v.integer("heads", o.heads);
    v.single("scale", o.scale);
    v.label("q (k^t v)");
  }
  // Throws Error(kCapacity) when a sum could leave the exact integers of fp32.
  Inferred infer(Inputs in) const;
  static constexpr NoParameters parameters{};
  static constexpr NotALayer layer{};
  static constexpr NoState state{};
  static constexpr OwnStepOnly window{};
  NodeWork work(const NodeRun& run) const;
  static constexpr NoArrays gain{};
  ValueBound bound(const BoundInput& in) const;
  static constexpr NotRecorded population{};
};

}  // namespace spikeloom
