#pragma once
// Batch normalisation at inference.

#include "sim/graph/operator.hpp"

namespace spikeloom {

// y*s + t with two roundings, s = gamma/sqrt(var + eps) and t = beta - mean*s computed in double
// and rounded once. pad > 0: the map grows by `pad` pixels on each side, filled with BN(0) = t.
struct BatchNorm {
  int64_t channels = 0;
  std::string prefix;  // <prefix>.weight, .bias, .running_mean, .running_var, each [channels]
  double eps = 1e-5;
  int64_t pad = 0;

  static constexpr const char* kKind = "batchnorm";
  template <typename Self, typename V>
  static void fields(Self& o, V& v) {
    v.integer("channels", o.channels);
    v.text("prefix", o.prefix);
    v.real("eps", o.eps);
    v.integer("pad", o.pad, {0, 65535});
    v.label(o.label());
  }
  std::string label() const;  // "batchnorm", "batchnorm pad1"
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

// Scale and shift of a batch normalisation, computed in double.
struct Affine {
  std::vector<double> scale, shift;
};
Affine affine_of(const BatchNorm& op, const Weights& weights);

}  // namespace spikeloom
