#pragma once
// Functions of one real value.

#include "sim/graph/operator.hpp"

namespace spikeloom {

// relu: x > 0 ? x : 0. sigmoid: core/ordered_math.hpp. relu^2: the square of relu, one rounding.
// gelu: x/2 (1 + erf(x/sqrt 2)) in double, rounded once (core/ordered_erf.hpp).
enum class ActivationKind { kRelu, kSigmoid, kReluSquared, kGelu };
constexpr const char* kActivationNames[] = {"relu", "sigmoid", "relu^2", "gelu"};

struct Activation {
  ActivationKind kind = ActivationKind::kRelu;

  static constexpr const char* kKind = "activation";
  template <typename Self, typename V>
  static void fields(Self& o, V& v) {
    v.choice("function", o.kind, kActivationNames);
    v.label(kActivationNames[static_cast<size_t>(o.kind)]);
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
