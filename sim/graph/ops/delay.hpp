#pragma once
// The value one step earlier.

#include "sim/graph/operator.hpp"

namespace spikeloom {

// Zeros at the first step. State slot "previous".
struct Delay {
  static constexpr const char* kKind = "delay";
  template <typename Self, typename V>
  static void fields(Self&, V&) {}
  Inferred infer(Inputs in) const;
  static constexpr NoParameters parameters{};
  static constexpr NotALayer layer{};
  std::vector<StateSlot> state(const Shape& shape) const;
  static constexpr OwnStepOnly window{};
  static constexpr NoWork work{};
  static constexpr NoArrays gain{};
  ValueBound bound(const BoundInput& in) const;
  static constexpr NotRecorded population{};
};

}  // namespace spikeloom
