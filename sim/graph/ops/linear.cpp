#include "sim/graph/ops/linear.hpp"

#include <fmt/format.h>

#include "sim/graph/infer.hpp"

namespace spikeloom {

Inferred Linear::infer(Inputs in) const {
  require_inputs(in, 1);
  require_not_counts(in[0]);
  Shape shape = in[0].shape;
  if (shape.empty() || shape.back() != in_features || out_features <= 0) {
    misfit(fmt::format("needs {} features, got {}", in_features, to_string(shape)));
  }
  shape.back() = out_features;
  return {EdgeKind::kReal, shape};
}

std::vector<Parameter> Linear::parameters() const {
  Shape shape = {out_features, in_features};
  shape.resize(2 + static_cast<size_t>(trailing_ones), 1);
  std::vector<Parameter> result{{weight, shape}};
  if (!bias.empty()) result.push_back({bias, {out_features}});
  return result;
}

Layer Linear::layer() const {
  return {weight, bias, out_features, in_features, 1, 1, true};
}

NodeWork Linear::work(const NodeRun& run) const {
  LayerCount count =
      run.layer(out_features * in_features, element_count(run.shape()) * in_features);
  if (count.spike_operand) {
    count.input_events = run.spikes().events;
    count.event_adds = count.input_events * out_features;
  } else if (const auto nonzero = run.nonzero()) {
    count.nonzero_inputs = *nonzero;
    count.real_macs = *nonzero * out_features;
  }
  return {.layer = count, .elementwise = {.bias_additions = bias.empty() ? 0 : run.outputs()}};
}

ValueGain Linear::gain(const ArrayBounds& arrays) const {
  return {arrays.largest_row_sum(weight), arrays.largest(bias)};
}

ValueBound Linear::bound(const BoundInput& in) const {
  return of_gain(in);
}

}  // namespace spikeloom
