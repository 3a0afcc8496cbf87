#pragma once
// Two or three vectors, one behind the other.

#include "sim/graph/operator.hpp"

namespace spikeloom {

// Spikes where all are, levels where all are spikes or levels, else real (spikes as 0 and 1).
struct Concat {
  static constexpr const char* kKind = "concat";
  template <typename Self, typename V>
  static void fields(Self&, V&) {}
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
