#pragma once
// The neurons that fast kernels take: IF, LIF and PLIF with one value per parameter, one spike a
// step and its reset at once. Other than by speed nobody can tell.

#include <optional>

#include "neurons/neuron.hpp"

namespace spikeloom {

struct SimpleLif {
  enum class Charge {
    kAdd,         // h = v + x
    kDecayInput,  // h = v + (x - (v - rest)) * decay
    kDecay,       // h = v * keep + x
    kDecayToRest  // h = v - (v - rest) * decay + x
  };
  Charge charge = Charge::kDecayInput;
  float decay = 0, keep = 0;
  float rest = 0;  // before the first step
  float v_threshold = 0, v_reset = 0;
  FireRule fire = FireRule::kAtThreshold;
  bool hard = true;  // v = v_reset, else v = h - v_threshold
};

// Nothing for other neurons. Throws as check().
std::optional<SimpleLif> simple_lif(const NeuronSpec& spec);

}  // namespace spikeloom
