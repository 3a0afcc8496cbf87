#include "neurons/simple_lif.hpp"

namespace spikeloom {

std::optional<SimpleLif> simple_lif(const NeuronSpec& spec) {
  const bool integrates = spec.row().name == "IF";
  const bool leaks = spec.row().name == "LIF" || spec.row().name == "PLIF";
  const Reset reset = spec.rules.reset;
  const bool at_once = reset == Reset::kHard || reset == Reset::kSoft;
  if ((!integrates && !leaks) || !at_once || !spec.is_uniform()) return {};
  const NeuronCoefficients coefficients = coefficients_of(spec);
  const std::vector<float>& k = coefficients.values;
  float start[kMostNeuronStates] = {};
  spec.row().begin(spec.rules, k.data(), start);
  SimpleLif simple;
  simple.rest = start[0];
  simple.fire = spec.rules.fire;
  simple.hard = reset == Reset::kHard;
  if (integrates) {
    if (spec.rules.form != NeuronForm::kUnit) return {};
    simple.charge = SimpleLif::Charge::kAdd;
    simple.v_threshold = k[1];
    simple.v_reset = k[2];
    return simple;
  }
  simple.decay = k[0];
  simple.keep = k[1];
  simple.v_threshold = k[4];
  simple.v_reset = k[5];
  switch (spec.rules.form) {
    case NeuronForm::kEuler:
      if (k[2] != 1.0f) return {};
      simple.charge = SimpleLif::Charge::kDecayInput;
      return simple;
    case NeuronForm::kBeta:
    case NeuronForm::kSinabs:
    case NeuronForm::kRockpool: simple.charge = SimpleLif::Charge::kDecay; return simple;
    case NeuronForm::kPlain: simple.charge = SimpleLif::Charge::kDecayToRest; return simple;
    default: return {};
  }
}

}  // namespace spikeloom
