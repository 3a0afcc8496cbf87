#pragma once
// RWKV's token shift.

#include "sim/graph/operator.hpp"

namespace spikeloom {

// Inputs a and a of one step earlier; out = a*m + a_prev*(1 - m), four roundings, 1 - m rounded at
// load. mix is stored as [1, 1, channels].
struct TokenMix {
  int64_t channels = 0;
  std::string mix;

  static constexpr const char* kKind = "token_mix";
  template <typename Self, typename V>
  static void fields(Self& o, V& v) {
    v.integer("channels", o.channels);
    v.text("mix", o.mix);
    v.label("token mix");
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
