#pragma once
// The residual sum.

#include "sim/graph/operator.hpp"

namespace spikeloom {

// Two values of one shape, the first real, the second real or spikes (0 and 1).
struct Add {
  static constexpr const char* kKind = "add";
  template <typename Self, typename V>
  static void fields(Self&, V&) {}
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
