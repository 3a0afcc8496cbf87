#pragma once
// One real value times a number.

#include "sim/graph/operator.hpp"

namespace spikeloom {

struct Scale {
  float factor = 1;

  static constexpr const char* kKind = "scale";
  template <typename Self, typename V>
  static void fields(Self& o, V& v) {
    v.single("factor", o.factor);
  }
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
