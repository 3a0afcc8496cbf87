#pragma once
// Frames of events by every rule, cut from the whole and as they come.

#include <algorithm>
#include <iterator>
#include <utility>

#include "datasets/events/frames.hpp"
#include "datasets/events/step_stream.hpp"
#include "tests/fuzz/fuzz.hpp"

namespace spikeloom::fuzz {

inline constexpr const char* kRules[] = {"tonic.n_time_bins=3,overlap=0.1",
                                         "tonic.n_event_bins=4",
                                         "tonic.time_window=1000,overlap=300",
                                         "tonic.event_count=7,include_incomplete",
                                         "spikingjelly.number=4",
                                         "spikingjelly.time=3",
                                         "spikingjelly.duration=1000",
                                         "tonic.time_window=500,start_time=0,end_time=9000"};

// A pixel or two, so that frames cost nothing.
inline Events small(Events events) {
  for (size_t i = 0; i < events.size(); ++i) {
    events.x[i] &= 1;
    events.y[i] = 0;
  }
  return events;
}

inline void compare(const StepRule& rule, const Events& events) {
  constexpr size_t kMostFrames = 20000;
  const std::vector<Slice> frames = slices(rule, events);
  if (frames.size() > kMostFrames) return;
  const FrameShape shape = frame_shape(2, 1, EventValue::kCount);
  const auto source = [&events] {
    return [&events, done = false](Events& block) mutable {
      block = done ? Events() : events;
      return !std::exchange(done, true);
    };
  };
  StepStream stream(rule, shape, EventValue::kCount, source(), measure(source()));
  std::vector<float> whole(4), live(4);
  for (const Slice& slice : frames) {
    std::fill(whole.begin(), whole.end(), 0.0f);
    add_events(whole, shape, EventValue::kCount, events, slice);
    if (!stream.next(live) || live != whole) std::abort();
  }
  if (stream.next(live)) std::abort();
}

// `rule`: any byte.
inline void try_frames(uint8_t rule, const Events& events) {
  if (events.size() > 0) compare(parse_step_rule(kRules[rule % std::size(kRules)]), small(events));
}

}  // namespace spikeloom::fuzz
