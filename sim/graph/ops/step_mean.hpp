#pragma once
// Running mean over the steps so far.

#include "sim/graph/operator.hpp"

namespace spikeloom {

// Sum in step order, divided by their number. State slot "sum".
struct StepMean {
  static constexpr const char* kKind = "step_mean";
  template <typename Self, typename V>
  static void fields(Self&, V& v) {
    v.label("step mean");
  }
  Inferred infer(Inputs in) const;
  static constexpr NoParameters parameters{};
  static constexpr NotALayer layer{};
  std::vector<StateSlot> state(const Shape& shape) const;
  static constexpr OwnStepOnly window{};
  NodeWork work(const NodeRun& run) const;
  static constexpr NoArrays gain{};
  ValueBound bound(const BoundInput& in) const;
  static constexpr NotRecorded population{};
};

}  // namespace spikeloom
