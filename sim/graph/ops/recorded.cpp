#include "sim/graph/ops/recorded.hpp"

#include <cmath>
#include <limits>

#include "sim/graph/infer.hpp"

namespace spikeloom {

Inferred RecordedOp::infer(Inputs in) const {
  if (what.empty()) misfit("does not say what it was");
  if (shape.empty()) misfit("has no shape");
  if (macs > 0 && in.empty()) misfit("has products and reads nothing");
  if (moves && (macs > 0 || neurons || in.empty()))
    misfit("moves what it reads and nothing else, or does not move");
  if (fan_out > 0 && macs == 0) misfit("has a fan_out and no macs");
  if (weights > 0 && (macs == 0 || weight.empty()))
    misfit("has weights without products, or without a name");
  if (macs > 0 && in[0].vocabulary > 0) misfit("has products of tokens");
  const bool is_static = !neurons && !in.empty();
  if (has_levels()) {
    if (spikes) misfit("is spikes or levels, not both");
    return {EdgeKind::kLevels, shape, 0, is_static, {lowest, highest}};
  }
  return {spikes ? EdgeKind::kSpikes : EdgeKind::kReal, shape, 0, is_static};
}

std::vector<Parameter> RecordedOp::parameters() const {
  if (weights == 0) return {};
  return {{weight, {weights}}};
}

NodeWork RecordedOp::work(const NodeRun& run) const {
  NodeWork work{.updates_neurons = neurons};
  if (macs > 0) {
    LayerCount count = run.layer(weights, macs);
    if (count.spike_operand) {
      count.input_events = run.spikes().events;
      const double each = static_cast<double>(macs) / static_cast<double>(element_count(run.in()));
      count.event_adds = fan_out > 0 ? count.input_events * fan_out
                                     : std::llround(static_cast<double>(count.input_events) * each);
    }
    work.layer = count;
  } else if (!moves && !neurons) {
    work.elementwise.recorded = run.outputs();
  }
  return work;
}

ValueBound RecordedOp::bound(const BoundInput&) const {
  constexpr double kUnknown = std::numeric_limits<double>::infinity();
  const double seen = spikes         ? 1
                      : has_levels() ? static_cast<double>(LevelRange{lowest, highest}.largest())
                                     : kUnknown;
  return {kUnknown, seen};
}

std::optional<PopulationInfo> RecordedOp::population() const {
  if (!spikes && !has_levels()) return std::nullopt;
  constexpr double kNotKnown = std::numeric_limits<double>::quiet_NaN();
  return PopulationInfo{"recorded", kNotKnown, neurons, false};
}

}  // namespace spikeloom
