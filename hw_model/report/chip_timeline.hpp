#pragma once
// A replay as Chrome trace-event JSON, which Perfetto and chrome://tracing open: one track per core
// and side (generating, receiving), one for steps and barriers, counters of packets and events.
// Times in microseconds.

#include <string>

#include "hw_model/chip/replay.hpp"

namespace spikeloom {

// `result` must hold step_cores (ReplayOptions::keep_step_cores). Throws Error(kUsage) for level
// kCounts, which knows no time. Generation and reception of a step are drawn from its start, as
// level kBottleneck counts them; waiting inside a step is not drawn.
std::string chip_timeline(const ChipSpec& chip, const ReplayResult& result);

}  // namespace spikeloom
