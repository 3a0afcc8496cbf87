#pragma once
// Product of two real values of one shape.

#include "sim/graph/operator.hpp"

namespace spikeloom {

struct Mul {
  static constexpr const char* kKind = "mul";
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
