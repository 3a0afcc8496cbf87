#pragma once
// A layer of neurons; its node name is the name of the population.

#include "sim/graph/operator.hpp"

namespace spikeloom {

// One step of every neuron: the model's header in neurons/. As many inputs as the model has, all of
// one shape. Neurons that fire give spikes, with several a step (Reset::kMulti) levels, the others
// their membrane. State slots: the model's.
struct Neuron {
  NeuronSpec spec = neuron("LIF");

  static constexpr const char* kKind = "neuron";
  template <typename Self, typename V>
  static void fields(Self& o, V& v) {
    v.neuron(o.spec);
  }
  Inferred infer(Inputs in) const;
  std::vector<Parameter> parameters() const;
  static constexpr NotALayer layer{};
  std::vector<StateSlot> state(const Shape& shape) const;
  static constexpr OwnStepOnly window{};
  NodeWork work(const NodeRun& run) const;
  static constexpr NoArrays gain{};
  ValueBound bound(const BoundInput& in) const;
  std::optional<PopulationInfo> population() const;
};

}  // namespace spikeloom
