#include "sim/graph/ops/add.hpp"

#include "sim/graph/infer.hpp"

namespace spikeloom {

Inferred Add::infer(Inputs in) const {
  require_inputs(in, 2);
  require_kind(in[0], EdgeKind::kReal);
  require_not_counts(in[1]);
  if (in[0].shape != in[1].shape) {
    misfit("adds " + to_string(in[0].shape) + " and " + to_string(in[1].shape));
  }
  return {EdgeKind::kReal, in[0].shape};
}

NodeWork Add::work(const NodeRun& run) const {
  return {.elementwise = {.residual_additions = run.outputs()}};
}

ValueBound Add::bound(const BoundInput& in) const {
  const double most = in.in[0] + in.in[1];
  return {most, most};
}

}  // namespace spikeloom
