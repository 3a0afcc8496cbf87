#pragma once
// Spike-driven attention, first product.

#include "sim/graph/operator.hpp"

namespace spikeloom {

// Inputs K, V (spikes, N x C); counts [heads, d, d], d = C/heads, A[h, i, j] = number of tokens
// where K[n, h*d+i] and V[n, h*d+j] both fire.
struct KtV {
  int64_t heads = 1;

  static constexpr const char* kKind = "ktv";
  template <typename Self, typename V>
  static void fields(Self& o, V& v) {
    v.integer("heads", o.heads);
    v.label("k^t v");
  }
  Inferred infer(Inputs in) const;
  static constexpr NoParameters parameters{};
  static constexpr NotALayer layer{};
  static constexpr NoState state{};
  static constexpr OwnStepOnly window{};
  static constexpr NoWork work{};  // QApply counts both products
  static constexpr NoArrays gain{};
  ValueBound bound(const BoundInput& in) const;
  static constexpr NotRecorded population{};
};

}  // namespace spikeloom
