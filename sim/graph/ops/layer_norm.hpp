#pragma once
// Normalisation over the channels of a row.

#include "sim/graph/operator.hpp"

namespace spikeloom {

// x real, or spikes as 0 and 1, all fp32: m = S(x) / C, d = x - m, var = S'(d) / C, y = (d * (1 /
// sqrt(var + eps))) * weight + bias with one rounding per operator. S adds on 32 lanes from +0:
// lane l takes channels l, l+32, ... ascending, then lanes fold by 16, 8, 4, 2, 1; S' does the same
// with lane = fma(d, d, lane).
struct LayerNorm {
  int64_t channels = 0;
  std::string prefix;  // <prefix>.weight, .bias, each [channels]
  float eps = 1e-5f;

  static constexpr const char* kKind = "layernorm";
  template <typename Self, typename V>
  static void fields(Self& o, V& v) {
    v.integer("channels", o.channels);
    v.text("prefix", o.prefix);
    v.single("eps", o.eps);
  }
  Inferred infer(Inputs in) const;
  std::vector<Parameter> parameters() const;
  static constexpr NotALayer layer{};
  static constexpr NoState state{};
  static constexpr OwnStepOnly window{};
  NodeWork work(const NodeRun& run) const;
  ValueGain gain(const ArrayBounds& arrays) const;
  ValueBound bound(const BoundInput& in) const;
  static constexpr NotRecorded population{};
};

}  // namespace spikeloom
