#pragma once
// A matrix.

#include "sim/graph/operator.hpp"

namespace spikeloom {

// Rows times a matrix: tokens [N, in] -> [N, out], a vector, or a map pixel by pixel. weight [out,
// in] followed by `trailing_ones` extents of 1 (a Conv1d of kernel 1 stores [out, in, 1]). Sums as
// Conv2d.
struct Linear {
  int64_t in_features = 0, out_features = 0;
  int64_t trailing_ones = 0;
  std::string weight;
  std::string bias;  // empty: none

  static constexpr const char* kKind = "linear";
  template <typename Self, typename V>
  static void fields(Self& o, V& v) {
    v.integer("in_features", o.in_features);
    v.integer("out_features", o.out_features);
    v.integer("trailing_ones", o.trailing_ones, {0, 4});
    v.text("weight", o.weight);
    v.text("bias", o.bias);
    v.label(o.trailing_ones == 0 ? "linear" : "conv1d k1 s1 p0 g1");
  }
  Inferred infer(Inputs in) const;
  std::vector<Parameter> parameters() const;
  Layer layer() const;
  static constexpr NoState state{};
  static constexpr OwnStepOnly window{};
  // Deliveries: output features per spike.
  NodeWork work(const NodeRun& run) const;
  ValueGain gain(const ArrayBounds& arrays) const;
  ValueBound bound(const BoundInput& in) const;
  static constexpr NotRecorded population{};
};

}  // namespace spikeloom
