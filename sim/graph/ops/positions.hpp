#pragma once
// Learned positions.

#include "sim/graph/operator.hpp"

namespace spikeloom {

// Adds row p of a table [1, count, channels] to a real value; p is the row of the value (tokens),
// or with `along_steps` the number of the step, which must stay below count.
struct Positions {
  int64_t count = 0, channels = 0;
  bool along_steps = false;
  std::string weight;

  static constexpr const char* kKind = "positions";
  template <typename Self, typename V>
  static void fields(Self& o, V& v) {
    v.integer("count", o.count);
    v.integer("channels", o.channels);
    v.flag("along_steps", o.along_steps);
    v.text("weight", o.weight);
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
