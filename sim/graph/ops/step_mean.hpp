#pragma once
// Running mean, sum or maximum over the steps so far.

#include "sim/graph/operator.hpp"

namespace spikeloom {

enum class StepMode { kMean, kSum, kMost };
constexpr const char* kStepModeNames[] = {"mean", "sum", "max"};

// Sum in step order, from +0, for a mean divided by their number; or the largest value so far, the
// first of equals; NaN stays. Of spikes, their numbers. State slot "sum".
struct StepMean {
  StepMode mode = StepMode::kMean;

  static constexpr const char* kKind = "step_mean";
  template <typename Self, typename V>
  static void fields(Self& o, V& v) {
    v.optional_choice("mode", o.mode, kStepModeNames);
    v.label(std::string("step ") + kStepModeNames[static_cast<size_t>(o.mode)]);
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
