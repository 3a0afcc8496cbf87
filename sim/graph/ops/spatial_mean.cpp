#include "sim/graph/ops/spatial_mean.hpp"

#include "sim/graph/infer.hpp"

namespace spikeloom {

Inferred SpatialMean::infer(Inputs in) const {
  require_inputs(in, 1);
  require_not_counts(in[0]);
  return {EdgeKind::kReal, {channels_of(in[0].shape)}};
}

NodeWork SpatialMean::work(const NodeRun& run) const {
  return {.elementwise = {.spatial_mean = run.inputs()}};
}

ValueBound SpatialMean::bound(const BoundInput& in) const {
  return {in.in[0] * in.rows, in.in[0]};
}

}  // namespace spikeloom
