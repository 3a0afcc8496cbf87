#pragma once
// One value times numbers.

#include "sim/graph/operator.hpp"

namespace spikeloom {

// x * factor, of a real value, spikes or levels; the result is real. With an array of factors, of shape [channels] or that of the value, each channel or
// element has its own and `factor` means nothing.
struct Scale {
  float factor = 1;
  std::string factors = {};  // empty: one for all
  Shape shape = {};          // of that array

  static constexpr const char* kKind = "scale";
  template <typename Self, typename V>
  static void fields(Self& o, V& v) {
    v.single("factor", o.factor);
    v.optional_text("factors", o.factors);
    v.optional_shape("shape", o.shape);
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
