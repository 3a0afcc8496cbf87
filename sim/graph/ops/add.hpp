#pragma once
// The residual sum, and the sum of spikes.

#include "sim/graph/operator.hpp"

namespace spikeloom {

// Two values of one shape. The first real, the second real, spikes (0 and 1) or levels: their sum
// in one rounding. Both spikes or levels: levels, which are a population of their own.
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
  std::optional<PopulationInfo> population() const;
};

}  // namespace spikeloom
