#pragma once
// A layer of spiking neurons; its node name is the name of the population.

#include "sim/graph/operator.hpp"

namespace spikeloom {

// One step of every neuron: neurons/neuron.hpp. State slot "v".
struct Neuron {
  NeuronParams params;

  static constexpr const char* kKind = "neuron";
  template <typename Self, typename V>
  static void fields(Self& o, V& v) {
    auto& p = o.params;
    v.choice("model", p.model, kNeuronModelNames);
    v.single("decay", p.decay);
    v.flag("decay_input", p.decay_input);
    v.single("v_threshold", p.v_threshold);
    v.single("v_reset", p.v_reset);
    v.choice("reset", p.reset, kSimpleResetNames);
    v.choice("fire", p.fire, kFireWords);
  }
  Inferred infer(Inputs in) const;
  static constexpr NoParameters parameters{};
  static constexpr NotALayer layer{};
  std::vector<StateSlot> state(const Shape& shape) const;
  static constexpr OwnStepOnly window{};
  NodeWork work(const NodeRun& run) const;
  static constexpr NoArrays gain{};
  ValueBound bound(const BoundInput& in) const;
  std::optional<PopulationInfo> population() const;
};

}  // namespace spikeloom
