#include "sim/graph/ops/neuron.hpp"

#include <cmath>

#include "sim/graph/infer.hpp"

namespace spikeloom {

Inferred Neuron::infer(Inputs in) const {
  require_inputs(in, 1);
  if (in[0].kind == EdgeKind::kSpikes) misfit("neurons need a real input or counts");
  return {EdgeKind::kSpikes, in[0].shape};
}

std::vector<StateSlot> Neuron::state(const Shape& shape) const {
  return {{"v", shape, params.v_initial()}};
}

NodeWork Neuron::work(const NodeRun&) const {
  return {.updates_neurons = true};
}

// Without spikes the steps add up; a few times that on the way.
ValueBound Neuron::bound(const BoundInput& in) const {
  return {4 * in.steps *
              (in.in[0] + double{std::abs(params.v_threshold)} + double{std::abs(params.v_reset)}),
          1};
}

std::optional<PopulationInfo> Neuron::population() const {
  return PopulationInfo{params};
}

}  // namespace spikeloom
