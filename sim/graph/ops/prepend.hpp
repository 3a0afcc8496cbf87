#pragma once
// The class token.

#include "sim/graph/operator.hpp"

namespace spikeloom {

// A learned row [1, 1, channels] in front of the rows of real tokens.
struct Prepend {
  int64_t channels = 0;
  std::string weight;

  static constexpr const char* kKind = "prepend";
  template <typename Self, typename V>
  static void fields(Self& o, V& v) {
    v.integer("channels", o.channels);
    v.text("weight", o.weight);
  }
  Inferred infer(Inputs in) const;
  std::vector<Parameter> parameters() const;
  static constexpr NotALayer layer{};
  static constexpr NoState state{};
  static constexpr OwnStepOnly window{};
  static constexpr NoWork work{};
  ValueGain gain(const ArrayBounds& arrays) const;
  ValueBound bound(const BoundInput& in) const;
  static constexpr NotRecorded population{};
};

}  // namespace spikeloom
