#pragma once
// Spikes per synapse and inference against the published conditions under which spiking pays
// (docs/energy.md).
//
//   s = event_adds / (synapses x samples), synapses = connections of one pass (dense MACs of one
//   step, padding
//       included): r*T but for the border, the quantity the published limits are about
//   event_adds_per_weight = event_adds / (stored weights x samples): a shared kernel is used at
//   many positions, so
//       for convolutions it is far above s
//   rate = input spikes / input elements of a layer; spikes / neuron updates of the network
// Every condition is shown, never only the flattering one. Thread-safe: pure functions.

#include <string>
#include <string_view>
#include <vector>

#include "sim/counts/op_counts.hpp"

namespace spikeloom {

// What a limit is put on. A report speaks of the first two; the others are of runs on a chip.
enum class Quantity { kSpikesPerSynapse, kFiringRate, kEventsPerMac, kJoulesPerInference };
std::string_view name_of(Quantity quantity) noexcept;  // "s", "rate", ...

// Below: spikes are sparse enough under every reading of the source; inside: depends on the
// baseline's implementation; above: the dense network is cheaper.
enum class Position { kBelow, kInside, kAbove };
std::string_view name_of(Position position) noexcept;  // "below", "inside", "above"

struct BreakEvenCondition {
  std::string id;
  std::string source;
  Quantity quantity = Quantity::kSpikesPerSynapse;
  double low = 0, high = 0;  // equal where one limit was published
  std::string note;
  bool nearest = false;  // published for other numbers of steps than this run's
};

Position position_of(double low, double high, double value);

// The conditions that speak about runs of `steps` steps (the nearest published one where none does;
// note says so).
std::vector<BreakEvenCondition> break_even_conditions(int64_t steps);

struct LayerBreakEven {
  std::string name;
  double s = 0;
  double event_adds_per_weight = 0;
  double rate = 0;
  std::vector<Position> positions;  // one per condition
};

struct BreakEvenReport {
  GraphForm form = GraphForm::kAsWritten;
  const char* per = "sample";  // or "step": a sequence tells a value at every step
  int64_t bit_budget =
      0;  // steps x weight bits x spike bits (Shen et al. 2024), equal for all layers
  std::vector<BreakEvenCondition> conditions;  // none where no layer reads spikes
  std::vector<LayerBreakEven> layers;          // layers with spike operand
  LayerBreakEven network;
};

// `weight_bits`: 32 in the fp32 mode.
BreakEvenReport break_even(const OpCounts& counts, int64_t steps, int weight_bits);

}  // namespace spikeloom
