#pragma once
// What a run did, as a report is made of it.

#include "run/run_network.hpp"

namespace spikeloom {

// Everything but the twin, the chip, the time-dependent figures of the process and what is found
// out behind the run. `network`: its weights are not looked at.
ReportInput describe_run(const RunSetup& setup, const Network& network, const RunState& state);

// What the populations did as counts of the network in both forms; token models have nothing to
// fuse. Baselines, steps and the form that ran are the caller's.
RunCounts count_forms(const Graph& as_written, const RunStatistics& statistics, Precision precision,
                      bool has_fused);

// How well tokens were predicted.
LanguageScore language_of(const Source& source, const RunState& state, const Score& score);

}  // namespace spikeloom
