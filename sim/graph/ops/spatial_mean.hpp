#pragma once
// Mean over pixels or tokens, real or spikes (0 and 1).

#include "sim/graph/operator.hpp"

namespace spikeloom {

// 32 lanes, lane l adds rows l, l+32, ... ascending, lanes fold by 16, 8, 4, 2, 1; then one
// division by the number of rows.
struct SpatialMean {
  static constexpr const char* kKind = "spatial_mean";
  template <typename Self, typename V>
  static void fields(Self&, V& v) {
    v.label("spatial mean");
  }
  Inferred infer(Inputs in) const;
  static constexpr NoParameters parameters{};
  static constexpr NotALayer layer{};
  static constexpr NoState state{};
  static constexpr OwnStepOnly window{};
  NodeWork work(const NodeRun& run) const;
  static constexpr NoArrays gain{};
  ValueBound bound(const BoundInput& in) const;
  static constexpr NotRecorded population{};
};

}  // namespace spikeloom
