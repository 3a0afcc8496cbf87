#pragma once
// Spiking against dense, for one run on a chip: a verdict after each published criterion, after the
// constants of two descriptions, after the run's own energies, and against an accelerator that ran.
//
//   spikes per synapse   synaptic events of projections that read spikes / (their synapses x values
//                        told): r*T but for the border; attention and graded packets are left out,
//                        no source speaks about them
//   firing rate          spikes / neuron updates with the rule `all`
//   events per MAC       all synaptic events of the chip / multiply-accumulates of a dense network
//                        in its place. General form of the break-even, per inference:
//                        e* = (E_dense - E_neurons - E_time) / (MACs x E_event), where E_event is
//                        all energy that grows with spikes / events (spikes stored between turns
//                        too), E_neurons that of updates and their state, E_time static, idle,
//                        barriers and weights loaded for a turn
// A value is what the network computes from once: a sample, or a step where every step tells
// another value. Thread-safe: pure functions.

#include <string>
#include <vector>

#include "hw_model/energy/verdict.hpp"
#include "hw_model/report/chip_report.hpp"

namespace spikeloom {

// Sets run.break_even; the rest of `run` is that of price_run() or price_turns(), whose summed
// turns are `result`. No baselines: the arithmetic of the preset dense_systolic. What cannot be
// judged is a verdict "not applicable" with its reason.
void add_break_even(const LoweredNetwork& lowered, const ChipSpec& chip, const ReplayResult& result,
                    const std::vector<int64_t>& sample_steps,
                    const std::vector<DenseSide>& baselines, ChipRun& run);

// What the applicable criteria say together: wins or loses where all do, mixed where they do not
// agree, undecided where none decides; and which say so, as a sentence.
struct ChipVerdict {
  Outcome outcome = Outcome::kUndecided;
  std::string text;
};
ChipVerdict verdict_of(const ChipRun& run);

// "1.714", "0.15..1.38", "12.3 uJ"; "-" where there is none.
std::string value_text(const ChipRun::Verdict& verdict);
std::string limit_text(const ChipRun::Verdict& verdict);

}  // namespace spikeloom
