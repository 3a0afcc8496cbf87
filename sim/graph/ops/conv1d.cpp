#include "sim/graph/ops/conv1d.hpp"

#include <fmt/format.h>

#include "sim/graph/infer.hpp"

namespace spikeloom {

std::string Conv1d::label() const {
  return fmt::format("conv1d k{} left{} right{}", kernel(), left, right);
}

Inferred Conv1d::infer(Inputs in) const {
  require_inputs(in, 1);
  require_not_counts(in[0]);
  require_vector(in[0], in_channels);
  if (out_channels <= 0 || left < 0 || right < 0) misfit("has an impossible window or no outputs");
  return {EdgeKind::kReal, {out_channels}};
}

std::vector<Parameter> Conv1d::parameters() const {
  std::vector<Parameter> result{{weight, {out_channels, in_channels, kernel()}}};
  if (!bias.empty()) result.push_back({bias, {out_channels}});
  return result;
}

Layer Conv1d::layer() const {
  return {weight, bias, out_channels, in_channels, kernel(), 1, false};
}

NodeWork Conv1d::work(const NodeRun& run) const {
  const int64_t fan_in = in_channels * kernel();
  LayerCount count = run.layer(out_channels * fan_in, element_count(run.shape()) * fan_in);
  if (count.spike_operand) {
    const SpikeOperand spikes = run.spikes();
    count.input_events = spikes.events;
    count.event_adds = out_channels * reached_steps(window(), spikes.per_step, run.steps());
  }
  return {.layer = count, .elementwise = {.bias_additions = bias.empty() ? 0 : run.outputs()}};
}

ValueGain Conv1d::gain(const ArrayBounds& arrays) const {
  return {arrays.largest_row_sum(weight), arrays.largest(bias)};
}

ValueBound Conv1d::bound(const BoundInput& in) const {
  return of_gain(in);
}

}  // namespace spikeloom
