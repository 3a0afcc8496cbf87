#include "sim/graph/ops/neuron.hpp"

#include <fmt/format.h>

#include <cmath>
#include <limits>

#include "neurons/simple_lif.hpp"
#include "sim/graph/infer.hpp"

namespace spikeloom {

Inferred Neuron::infer(Inputs in) const {
  require_inputs(in, static_cast<size_t>(spec.row().inputs));
  check(spec);
  const Shape& shape = in[0].shape;
  for (const InputValue& value : in) {
    if (value.kind == EdgeKind::kSpikes) misfit("neurons need a real input or counts");
    if (value.shape != shape)
      misfit("combines " + to_string(shape) + " and " + to_string(value.shape));
  }
  for (const NeuronValue& value : spec.values) {
    if (value.array.empty() || value.shape == shape || value.shape == Shape{channels_of(shape)})
      continue;
    misfit(fmt::format("{} has shape {}, the neurons are {}", value.array, to_string(value.shape),
                       to_string(shape)));
  }
  if (spec.fires() && spec.rules.reset == Reset::kMulti)
    return {EdgeKind::kLevels, shape, 0, true, {0, kMostSpikesInStep}};
  return {spec.fires() ? EdgeKind::kSpikes : EdgeKind::kReal, shape};
}

std::vector<Parameter> Neuron::parameters() const {
  std::vector<Parameter> result;
  for (size_t i = 0; i < spec.values.size(); ++i) {
    const NeuronValue& value = spec.values[i];
    if (!value.array.empty())
      result.push_back({value.array, value.shape, spec.row().parameters[i].fallback});
  }
  return result;
}

std::vector<StateSlot> Neuron::state(const Shape& shape) const {
  const std::vector<float> initial = initial_state(spec);
  std::vector<StateSlot> slots;
  for (const std::string_view name : states_of(spec))
    slots.push_back({std::string(name), shape, initial[slots.size()]});
  return slots;
}

NodeWork Neuron::work(const NodeRun& run) const {
  const NeuronWork one = work_of(spec);
  return {.updates_neurons = true,
          .elementwise = {.neuron_divisions = one.divisions * run.outputs(),
                          .neuron_exponentials = one.exponentials * run.outputs()}};
}

// Without spikes the steps add up; a few times that on the way. Of other neurons nothing is known.
ValueBound Neuron::bound(const BoundInput& in) const {
  const auto simple = simple_lif(spec);
  const bool leaks = simple && simple->decay <= 1 && simple->keep <= 1;
  constexpr double kUnknown = std::numeric_limits<double>::infinity();
  if (!leaks) return {kUnknown, spec.fires() ? 1 : kUnknown};
  const double held = std::abs(double{simple->v_threshold}) + std::abs(double{simple->v_reset});
  const double apart = simple->rest == simple->v_reset ? 0 : std::abs(double{simple->rest});
  return {4 * in.steps * (in.in[0] + held + apart), 1};
}

std::optional<PopulationInfo> Neuron::population() const {
  if (!spec.fires()) return std::nullopt;
  const NeuronValue& threshold = spec["v_threshold"];
  constexpr double kDiffers = std::numeric_limits<double>::quiet_NaN();
  return PopulationInfo{std::string(spec.row().name),
                        threshold.array.empty() ? threshold.value : kDiffers};
}

}  // namespace spikeloom
