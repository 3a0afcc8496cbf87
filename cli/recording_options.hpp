#pragma once
// The options of commands that take a network and its spikes in place of a trace.

#include <optional>

#include "cli/options.hpp"
#include "run/chip_recording.hpp"

namespace spikeloom {

// --network, --spikes, --dt, --steps.
void add_recording_options(CommandLine& line);
// The files of --network and --spikes; nothing where the word "trace" is given. Throws Error(kUsage).
std::optional<RecordingFiles> recording_files(const options::variables_map& values);

}  // namespace spikeloom
