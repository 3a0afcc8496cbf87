#include "sim/graph/ops/activation.hpp"

#include "sim/graph/infer.hpp"

namespace spikeloom {

Inferred Activation::infer(Inputs in) const {
  return infer_same(in);
}

NodeWork Activation::work(const NodeRun& run) const {
  if (kind == ActivationKind::kSigmoid) return {.elementwise = {.sigmoids = run.outputs()}};
  return {.elementwise = {.activations = run.outputs()}};
}

ValueBound Activation::bound(const BoundInput& in) const {
  const double most = kind == ActivationKind::kReluSquared ? in.in[0] * in.in[0] : in.in[0];
  return {most, kind == ActivationKind::kSigmoid ? 1 : most};
}

}  // namespace spikeloom
