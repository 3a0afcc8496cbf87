#pragma once
// Convolution of maps.

#include "sim/graph/operator.hpp"

namespace spikeloom {

// Cross-correlation, zero padding. weight [out, in/groups, kernel, kernel]; out[y, x, o] sums in
// the order kx, ky, channel, each acc = fma(w, x, acc) from +0, then the bias. Output extent
// floor((n + 2p - k)/s) + 1.
struct Conv2d {
  int64_t in_channels = 0, out_channels = 0;
  int64_t kernel = 1, stride = 1, padding = 0, groups = 1;
  std::string weight;
  std::string bias;  // empty: none

  static constexpr const char* kKind = "conv2d";
  template <typename Self, typename V>
  static void fields(Self& o, V& v) {
    v.integer("in_channels", o.in_channels);
    v.integer("out_channels", o.out_channels);
    v.integer("kernel", o.kernel, {1, 65535});
    v.integer("stride", o.stride, {1, 65535});
    v.integer("padding", o.padding, {0, 65535});
    v.integer("groups", o.groups);
    v.text("weight", o.weight);
    v.text("bias", o.bias);
    v.label(o.label());
  }
  std::string label() const;  // "conv2d k7 s2 p3 g1"
  Inferred infer(Inputs in) const;
  std::vector<Parameter> parameters() const;
  Layer layer() const;
  static constexpr NoState state{};
  static constexpr OwnStepOnly window{};
  // Deliveries: per spike, output channels / groups x the number of output positions its pixel
  // reaches (separable in y and x).
  NodeWork work(const NodeRun& run) const;
  ValueGain gain(const ArrayBounds& arrays) const;
  ValueBound bound(const BoundInput& in) const;
  static constexpr NotRecorded population{};
};

}  // namespace spikeloom
