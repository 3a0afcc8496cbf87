#pragma once
// Events to the steps of a network, by the rules of Tonic and SpikingJelly, frame for frame as their
// programs do.

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "datasets/events/events.hpp"

namespace spikeloom {

enum class StepRuleKind {
  kTonicTimeBins,         // tonic.n_time_bins=M[,overlap=FRACTION]
  kTonicEventBins,        // tonic.n_event_bins=M[,overlap=FRACTION]
  kTonicTimeWindow,       // tonic.time_window=US[,overlap=US][,start_time=US,end_time=US][,incl..]
  kTonicEventCount,       // tonic.event_count=N[,overlap=EVENTS][,include_incomplete]
  kSpikingJellyNumber,    // spikingjelly.number=M
  kSpikingJellyTime,      // spikingjelly.time=M
  kSpikingJellyDuration,  // spikingjelly.duration=US; of SHD MILLISECONDS
  kEsImageNet             // es_imagenet: the 8 steps that its files tell
};

struct StepRule {
  StepRuleKind kind = StepRuleKind::kSpikingJellyNumber;
  int64_t value = 1;  // frames, microseconds or events
  double overlap = 0;
  std::optional<int64_t> start_time{}, end_time{};
  bool include_incomplete = false;
  std::string text{};  // as it was given

  // The number of frames is the rule's own, not the recording's.
  bool fixes_frames() const noexcept;
  // Frames can be told before the end of a recording is known.
  bool runs_live() const noexcept;
};

// "tonic.time_window=25000,include_incomplete". Throws Error(kUsage) that says what is wrong.
StepRule parse_step_rule(std::string_view text);

// Windows in a stretch that is `length` longer than one of them: how often `stride` goes into it,
// rounded up or down, and one more; at least one. Throws Error(kData) for more than 2^20.
int64_t window_count(int64_t length, int64_t stride, bool up);

// The events [begin, end) of a frame; begin >= end: none.
struct Slice {
  size_t begin = 0, end = 0;
};

// Frames of SHD in SpikingJelly: the arithmetic of the times as stored.
struct StoredArithmetic {
  bool half = false;  // round to float16 after every operation
};

// One slice for each frame, of events sorted by time. An empty recording: as many empty slices as
// the rule demands, none where their number follows from it. With `stored`, times are
// events.seconds and SpikingJelly's rules do not round down.
std::vector<Slice> slices(const StepRule& rule, const Events& events,
                          const StoredArithmetic* stored = nullptr);

}  // namespace spikeloom
