#pragma once
// A map as a vector, in PyTorch's order.

#include "sim/graph/operator.hpp"

namespace spikeloom {

// [H, W, C] -> [C*H*W], out[(c*H + y)*W + x] = in[y, x, c]: how flattened layers are trained, where
// channels come first. Spikes stay spikes, levels levels: those of others, in other places. A vector stays as it
// is.
struct Flatten {
  static constexpr const char* kKind = "flatten";
  template <typename Self, typename V>
  static void fields(Self&, V& v) {
    v.label("flatten");
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
