#pragma once
// What a NIR file leaves open, and what the programs that write such files do there: the step, how
// the equations become steps, when a neuron fires, what a spike does, what an output is.

#include <string_view>

#include "neurons/rules.hpp"

namespace spikeloom::nir {

// The program whose network it is.
enum class Origin { kNir, kSnntorch, kSpikingjelly, kNorse, kSinabs, kExact };
inline constexpr const char* kOriginWords[] = {"nir",   "snntorch", "spikingjelly",
                                               "norse", "sinabs",   "exact"};

// Of neurons that leak (neurons/rules.hpp).
enum class Form { kEuler, kExact, kSinabs, kRockpool };
inline constexpr const char* kFormWords[] = {"euler", "exact", "sinabs", "rockpool"};
NeuronForm form_of(Form form);

enum class Fire { kAbove, kAt };  // h > threshold, h >= threshold
inline constexpr const char* kFireWords[] = {"gt", "ge"};

// What a step adds to an integrator: its input, or dt r times that. kAuto: the input where dt r is
// 1, and where every r is 1 (writers that mean a step); else dt r times it.
enum class IfGain { kAuto, kUnit, kOde };
inline constexpr const char* kIfGainWords[] = {"auto", "unit", "ode"};

// What a layer that reads only spikes of the step before gives in the first step: its bias, or 0.
enum class RecurrentStart { kBias, kZero };
inline constexpr const char* kRecurrentStartWords[] = {"bias", "zero"};

// What becomes of an output over the steps: their sum, the last one, the largest, the mean.
enum class Readout { kRate, kLast, kMax, kMean };
inline constexpr const char* kReadoutWords[] = {"rate", "last", "max", "mean"};

struct Choices {
  Origin origin = Origin::kNir;
  double dt = 0;         // of a step, s; 0: not chosen
  double tau_scale = 1;  // time constants of the file times this are s
  Form form = Form::kEuler;
  Fire fire = Fire::kAbove;
  Reset reset = Reset::kHard;
  IfGain if_gain = IfGain::kAuto;
  RecurrentStart recurrent_start = RecurrentStart::kBias;
  Readout readout = Readout::kRate;
};

// What networks of a program are taken to mean; the usual ones are the text of NIR.
Choices choices_of(Origin origin);

}  // namespace spikeloom::nir
