#pragma once
// Convolution of maps.

#include "sim/graph/map_window.hpp"
#include "sim/graph/operator.hpp"

namespace spikeloom {

// Cross-correlation, zero padding. weight [out, in/groups, ky, kx]; out[y, x, o] sums in the order
// kx, ky, channel, each acc = fma(w, x, acc) from +0, then the bias. Output extent
// floor((n + before + after - d(k - 1) - 1)/s) + 1. `same` pads, as PyTorch does, by d(k - 1) in all,
// half of it, rounded down, in front.
struct Conv2d {
  int64_t in_channels = 0, out_channels = 0;
  YX kernel = 1, stride = 1, padding = 0;
  int64_t groups = 1;
  std::string weight;
  std::string bias;  // empty: none
  YX dilation = 1;
  bool same = false;  // then stride is 1 and padding 0

  static constexpr const char* kKind = "conv2d";
  template <typename Self, typename V>
  static void fields(Self& o, V& v) {
    v.integer("in_channels", o.in_channels);
    v.integer("out_channels", o.out_channels);
    v.pair("kernel", o.kernel, {1, 65535});
    v.pair("stride", o.stride, {1, 65535});
    v.pair("padding", o.padding, {0, 65535});
    v.optional_pair("dilation", o.dilation, {1, 65535});
    v.optional_flag("same", o.same);
    v.integer("groups", o.groups);
    v.text("weight", o.weight);
    v.text("bias", o.bias);
    v.label(o.label());
  }
  std::string label() const;  // "conv2d k7 s2 p3 g1", "conv2d k3x5 s1 psame g1 d2"
  WindowAxis along_y() const;
  WindowAxis along_x() const;
  // Whether the window is one of height and width alike, undilated, padded alike on all sides.
  bool is_square() const;
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
