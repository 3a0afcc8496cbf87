#pragma once
// What a run did, as a report is made of it.

#include "run/run_network.hpp"

namespace spikeloom {

// Everything but the twin, the chip, the time-dependent figures of the process and what is found
// out behind the run. `network`: its weights are not looked at.
ReportInput describe_run(const RunSetup& setup, const Network& network, const RunState& state);

// How well tokens were predicted.
LanguageScore language_of(const Source& source, const RunState& state, const Score& score);

}  // namespace spikeloom
