#pragma once
// The same elements under another shape: map <-> tokens.

#include "sim/graph/operator.hpp"

namespace spikeloom {

struct View {
  Shape shape;

  static constexpr const char* kKind = "view";
  template <typename Self, typename V>
  static void fields(Self& o, V& v) {
    v.shape("shape", o.shape);
  }
  Inferred infer(Inputs in) const;
  static constexpr NoParameters parameters{};
  static constexpr NotALayer layer{};
  static constexpr NoState state{};
  static constexpr OwnStepOnly window{};
  static constexpr NoWork work{};
  static constexpr NoArrays gain{};
  ValueBound bound(const BoundInput& in) const;
  static constexpr NotRecorded population{};
};

}  // namespace spikeloom
