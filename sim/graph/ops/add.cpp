#include "sim/graph/ops/add.hpp"

#include "sim/graph/infer.hpp"

namespace spikeloom {

Inferred Add::infer(Inputs in) const {
  require_inputs(in, 2);
  const bool levels = is_events(in[0].kind);
  if (levels) {
    require_events(in[1]);
  } else {
    require_kind(in[0], EdgeKind::kReal);
    require_not_counts(in[1]);
  }
  if (in[0].shape != in[1].shape) {
    misfit("adds " + to_string(in[0].shape) + " and " + to_string(in[1].shape));
  }
  if (!levels) return {EdgeKind::kReal, in[0].shape};
  return {EdgeKind::kLevels, in[0].shape, 0, true, sum_of(in[0].levels, in[1].levels)};
}

NodeWork Add::work(const NodeRun& run) const {
  return {.elementwise = {.residual_additions = run.outputs()}};
}

std::optional<PopulationInfo> Add::population() const {
  return PopulationInfo{"sum", 1, false, false};
}

ValueBound Add::bound(const BoundInput& in) const {
  const double most = in.in[0] + in.in[1];
  return {most, most};
}

}  // namespace spikeloom
