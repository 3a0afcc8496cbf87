#pragma once
// When does a spiking layer beat a dense one? From the constants of two descriptions, arithmetic
// alone.
//
// Per synapse and inference, with firing rate r over T steps: spiking r*T*event + T*neuron/fan_in,
// dense mac. Both are equal at s* = (mac - T*neuron/fan_in) / event spikes. Memory, routing and
// static power count only as far as a description makes them part of these operations.
// Thread-safe: pure functions.

#include <cstdint>
#include <vector>

#include "hw_model/chip/dense_spec.hpp"

namespace spikeloom {

struct SynapseCosts {
  double mac_pj = 0;                 // of the dense network
  double event_pj = 0;               // one spike at one synapse: synapse and accumulate unit
  double neuron_pj_per_synapse = 0;  // access and update of the soma / fan_in, each step
};

// `fan_in`: synapses of a neuron; 0 leaves the neuron out. Throws Error(kUsage) when either side
// has no price for its operation or the accelerator's prices are relative.
SynapseCosts synapse_costs(const ChipSpec& chip, const DenseSpec& dense, int64_t rate_steps,
                           double fan_in);

double break_even_spikes(const SynapseCosts& costs, int64_t steps);

// Spiking energy over dense energy.
double energy_ratio(const SynapseCosts& costs, double rate, int64_t steps);

struct BreakEvenRow {
  int64_t steps = 0;
  double rate = 0;             // at which both cost the same; not above 0: never
  std::vector<double> ratios;  // at the rates asked for
};
// One row for each T from 1 to `most_steps`.
std::vector<BreakEvenRow> break_even_table(const SynapseCosts& costs, int64_t most_steps,
                                           const std::vector<double>& rates);

}  // namespace spikeloom
