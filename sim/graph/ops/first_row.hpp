#pragma once
// Tokens [N, C] to their first row [C].

#include "sim/graph/operator.hpp"

namespace spikeloom {

struct FirstRow {
  static constexpr const char* kKind = "first_row";
  template <typename Self, typename V>
  static void fields(Self&, V& v) {
    v.label("first row");
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
