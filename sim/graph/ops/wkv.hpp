#pragma once
// RWKV-4's weighted average over all earlier tokens, in the stable form.

#include "sim/graph/operator.hpp"

namespace spikeloom {

// Inputs k, v. Per channel, w = -exp(decay) rounded at load, u = first; state p (numerator), q
// (denominator), o (largest exponent so far, -1e38 before the first step):
//   e = u + k, n = max(o, e), A = exp(o - n), B = exp(e - n)
//   out = fma(A, p, B*v) / fma(A, q, B)
//   d = o + w, n = max(d, k), A = exp(d - n), B = exp(k - n)
//   p = fma(A, p, B*v), q = fma(A, q, B), o = n
// Source: Peng et al., "RWKV: Reinventing RNNs for the Transformer Era", EMNLP 2023, appendix D.
struct Wkv {
  int64_t channels = 0;
  std::string decay, first;  // [channels] each

  static constexpr const char* kKind = "wkv";
  template <typename Self, typename V>
  static void fields(Self& o, V& v) {
    v.integer("channels", o.channels);
    v.text("decay", o.decay);
    v.text("first", o.first);
  }
  Inferred infer(Inputs in) const;
  std::vector<Parameter> parameters() const;
  static constexpr NotALayer layer{};
  std::vector<StateSlot> state(const Shape& shape) const;
  static constexpr OwnStepOnly window{};
  NodeWork work(const NodeRun& run) const;
  ValueGain gain(const ArrayBounds& arrays) const;
  ValueBound bound(const BoundInput& in) const;
  static constexpr NotRecorded population{};
};

constexpr float kWkvStart = -1e38f;  // o before the first step: exp(o - n) is 0

}  // namespace spikeloom
