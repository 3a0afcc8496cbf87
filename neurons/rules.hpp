#pragma once
// What two programs may do differently with the same neuron: how the equation becomes a step, when
// it fires, what a spike does to the membrane. Parameters of every neuron, never a global.

#include <cstddef>
#include <string_view>

namespace spikeloom {

// How an equation becomes a step of length dt; a model's header says which it has and what each
// computes. The first a model lists is the one it has unless told otherwise.
enum class NeuronForm {
  kEuler,      // forward Euler
  kExact,      // exponential decay
  kBeta,       // h = (1 - dt/tau) v + x
  kPlain,      // h = v - (v - v_leak) dt/tau + x
  kSinabs,     // h = exp(-1/tau) v + x: tau counts steps
  kRockpool,   // h = exp(-dt/tau) v + x
  kUnit,       // the input is added as it comes
  kOde,        // dt r times the input is added
  kHalfSteps,  // two Euler steps of v, of half the length, then one of the others
};

// h is the membrane after charging.
enum class FireRule { kAtThreshold, kAboveThreshold };  // h >= threshold; h > threshold

// The last three keep a slot "z": whether the neuron fired in the step before.
enum class Reset {
  kHard,   // v = v_reset, in the step that fires
  kSoft,   // v = h - threshold, in the step that fires
  kMulti,  // z = trunc(h / threshold) spikes where h > 0, v = max(h - z threshold, -threshold)
  kSubtractNext,  // the next step takes the threshold away, behind its leak and input
  kValueNext,     // the next step starts from v_reset
  kHoldNext,      // the next step ends at 0, whatever came in
};

struct NeuronRules {
  NeuronForm form = NeuronForm::kEuler;
  FireRule fire = FireRule::kAtThreshold;
  Reset reset = Reset::kHard;
  bool operator==(const NeuronRules&) const = default;
};

// With kMulti; a neuron that fires more often ends the run. As many fit 16 bits.
constexpr int64_t kMostSpikesInStep = 65535;

// Does the step need to know whether the one before fired?
constexpr bool is_delayed(Reset reset) noexcept {
  return reset == Reset::kSubtractNext || reset == Reset::kValueNext || reset == Reset::kHoldNext;
}

// Names in files and keys, in the order of the enumerations.
inline constexpr const char* kFormWords[] = {"euler",    "exact", "beta", "plain",     "sinabs",
                                             "rockpool", "unit",  "ode",  "half_steps"};
inline constexpr const char* kFireWords[] = {">=", ">"};
inline constexpr const char* kResetWords[] = {"value",         "subtract",   "multi",
                                              "subtract_next", "value_next", "hold_next"};
constexpr std::string_view name_of(NeuronForm form) noexcept {
  return kFormWords[static_cast<size_t>(form)];
}
constexpr std::string_view name_of(FireRule fire) noexcept {
  return kFireWords[static_cast<size_t>(fire)];
}
constexpr std::string_view name_of(Reset reset) noexcept {
  return kResetWords[static_cast<size_t>(reset)];
}

// What leaves a neuron at a step.
enum class NeuronOutput {
  kSpikes,    // 0 or 1; with Reset::kMulti a small number
  kMembrane,  // the membrane, a real number: it never fires
};

// A parameter of a model: its unit, the value it has unless given, and the values it may have.
struct ParameterRule {
  std::string_view name, unit;
  double fallback, lowest, highest;
};

constexpr double kAny = 1e30;        // of either sign
constexpr double kPositive = 1e-30;  // the lowest value of what must be above 0

}  // namespace spikeloom
