#include "sim/graph/ops/layer_norm.hpp"

#include <algorithm>
#include <cmath>

#include "sim/graph/infer.hpp"

namespace spikeloom {

Inferred LayerNorm::infer(Inputs in) const {
  require_inputs(in, 1);
  require_not_counts(in[0]);
  require_channels(in[0], channels);
  return {EdgeKind::kReal, in[0].shape};
}

std::vector<Parameter> LayerNorm::parameters() const {
  return {{prefix + ".weight", {channels}}, {prefix + ".bias", {channels}}};
}

NodeWork LayerNorm::work(const NodeRun& run) const {
  return {.elementwise = {.layer_norm_rows = rows_of(run.shape()) * run.evaluations(),
                          .layer_norm_elements = run.outputs()}};
}

ValueGain LayerNorm::gain(const ArrayBounds& arrays) const {
  return {std::sqrt(static_cast<double>(channels)) * arrays.largest(prefix + ".weight"),
          arrays.largest(prefix + ".bias")};
}

// On the way: the sum of squares.
ValueBound LayerNorm::bound(const BoundInput& in) const {
  const double normalised = in.gain.gain + in.gain.offset;
  const double squares = 4 * in.in[0] * in.in[0] * static_cast<double>(channels);
  return {std::max(squares, normalised), normalised};
}

}  // namespace spikeloom
