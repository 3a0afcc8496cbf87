#pragma once
// Spikes without state.

#include "sim/graph/operator.hpp"

namespace spikeloom {

// x >= threshold or x > threshold. Two uses: a binary embedding (>= 0, so that both zeros fire),
// and the mask of the values relu^2 left above zero, which nothing reads but counters and traces
// ("> 0 on relu^2": exact zeros an engine may skip). With an array of thresholds, of shape
// [channels] or that of the value, each channel or element has its own and `threshold` means
// nothing.
struct Threshold {
  float threshold = 0;
  FireRule fire = FireRule::kAtThreshold;
  std::string thresholds = {};  // empty: one for all
  Shape shape = {};             // of that array

  static constexpr const char* kKind = "threshold";
  template <typename Self, typename V>
  static void fields(Self& o, V& v) {
    v.single("threshold", o.threshold);
    v.choice("fire", o.fire, kFireWords);
    v.optional_text("thresholds", o.thresholds);
    v.optional_shape("shape", o.shape);
    v.label(o.label());
  }
  std::string label() const;  // "threshold >= 0", "thresholds >= of a.t"
  Inferred infer(Inputs in) const;
  std::vector<Parameter> parameters() const;
  static constexpr NotALayer layer{};
  static constexpr NoState state{};
  static constexpr OwnStepOnly window{};
  NodeWork work(const NodeRun& run) const;
  ValueGain gain(const ArrayBounds& arrays) const;
  ValueBound bound(const BoundInput& in) const;
  std::optional<PopulationInfo> population() const;
};

}  // namespace spikeloom
