#pragma once
// Convolution along the steps.

#include "sim/graph/operator.hpp"

namespace spikeloom {

// Cross-correlation: kernel = left + 1 + right taps, zeros before the first and after the last step
// of a sample. weight [out, in, kernel]; out[t, o] sums taps in order of time, then channels, each
// acc = fma(w, x[t - left + tap], acc) from +0, then the bias. The look-ahead of `right` steps is
// waited for, never guessed. Values are vectors [in].
struct Conv1d {
  int64_t in_channels = 0, out_channels = 0;
  int64_t left = 1, right = 1;
  std::string weight;
  std::string bias;  // empty: none
  int64_t kernel() const noexcept { return left + 1 + right; }

  static constexpr const char* kKind = "conv1d";
  template <typename Self, typename V>
  static void fields(Self& o, V& v) {
    v.integer("in_channels", o.in_channels);
    v.integer("out_channels", o.out_channels);
    v.integer("left", o.left, {0, 65535});
    v.integer("right", o.right, {0, 65535});
    v.text("weight", o.weight);
    v.text("bias", o.bias);
    v.label(o.label());
  }
  std::string label() const;  // "conv1d k3 left1 right1"
  Inferred infer(Inputs in) const;
  std::vector<Parameter> parameters() const;
  Layer layer() const;
  static constexpr NoState state{};
  StepWindow window() const { return {left, right}; }
  // Deliveries: a spike at step s reaches the output steps whose window holds it.
  NodeWork work(const NodeRun& run) const;
  ValueGain gain(const ArrayBounds& arrays) const;
  ValueBound bound(const BoundInput& in) const;
  static constexpr NotRecorded population{};
};

}  // namespace spikeloom
