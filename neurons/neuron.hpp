#pragma once
// Point neurons in discrete time: integrate-and-fire (IF), leaky (LIF), leaky with a learned time
// constant (PLIF).
//
// State: one membrane potential v per neuron, v = v_reset for hard reset and 0 for soft reset
// before the first step. One step with input current x (all fp32, one rounding per operator, in
// this order):
//
//   charge   IF                  h = v + x
//            LIF, decayed input  h = v + (x - (v - v_rest)) * r    r = 1/tau
//            LIF, plain input    h = v * (1 - r) + x               for v_rest = 0
//                                h = v - (v - v_rest) * r + x      otherwise
//            PLIF                as LIF with r = sigmoid(w), w learned
//   fire     s = h >= v_th  (kAtThreshold)   or   h > v_th  (kAboveThreshold)
//   reset    hard: v = s ? v_reset : h       soft: v = s ? h - v_th : h
//
// v_rest = v_reset for hard reset, 0 for soft reset.
//
// Source: Fang et al., "Incorporating learnable membrane time constants", ICCV 2021, equations 1 to
// 4; comparison, order of decay and reset are those of the library the networks were trained with
// (a parameter here, never a global).

#include <string>

#include "neurons/rules.hpp"

namespace spikeloom {

enum class NeuronModel { kIf, kLif, kPlif };
constexpr const char* kNeuronModelNames[] = {"IF", "LIF", "PLIF"};
constexpr const char* kSimpleResetNames[] = {"hard", "soft"};

struct NeuronParams {
  NeuronModel model = NeuronModel::kLif;
  float decay = 0.5f;       // r above; unused for IF
  bool decay_input = true;  // unused for IF
  float v_threshold = 1.0f;
  float v_reset = 0.0f;  // for hard reset
  Reset reset = Reset::kHard;
  FireRule fire = FireRule::kAtThreshold;

  float v_rest() const noexcept { return reset == Reset::kHard ? v_reset : 0.0f; }
  // Membrane potential before the first step.
  float v_initial() const noexcept { return v_rest(); }
};

// LIF with time constant tau in steps. Throws Error(kUsage) unless tau >= 1.
NeuronParams lif(float tau, float v_threshold = 1.0f);
// PLIF from its learned scalar w: r = sigmoid(w).
NeuronParams plif(float w, float v_threshold = 1.0f);
NeuronParams integrate_and_fire(float v_threshold = 1.0f);

// "LIF(decay 0.5, decayed input, v_th 1, hard reset to 0, fires at >=)"
std::string describe(const NeuronParams& params);

// The membrane potential after charging.
inline float charge(const NeuronParams& p, float v, float x) noexcept {
  if (p.model == NeuronModel::kIf) return v + x;
  const float rest = p.v_rest();
  if (p.decay_input) return v + (x - (v - rest)) * p.decay;
  if (rest == 0.0f) return v * (1.0f - p.decay) + x;
  return v - (v - rest) * p.decay + x;
}

// One step; returns whether the neuron fired. The specification for every backend.
inline bool step(const NeuronParams& p, float x, float& v) noexcept {
  const float h = charge(p, v, x);
  const bool fired = p.fire == FireRule::kAtThreshold ? h >= p.v_threshold : h > p.v_threshold;
  if (!fired) {
    v = h;
  } else {
    v = p.reset == Reset::kHard ? p.v_reset : h - p.v_threshold;
  }
  return fired;
}

}  // namespace spikeloom
