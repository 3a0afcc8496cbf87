#pragma once
// The frames of a recording one after the other, as its events come: memory holds the frames whose
// windows are open, however long the recording is.

#include <cstdint>
#include <deque>
#include <functional>
#include <optional>
#include <span>
#include <vector>

#include "datasets/events/frames.hpp"
#include "datasets/events/steps.hpp"

namespace spikeloom {

// Where events come from; as Recording::next.
using NextEvents = std::function<bool(Events&)>;

// What some rules need to know of a recording before its first frame.
struct RecordingExtent {
  int64_t events = 0, first = 0, last = 0;  // the earliest and the latest time, microseconds
};
RecordingExtent measure(const NextEvents& next);

// The same frames as slices() cuts from sorted events. Events out of order count in the windows
// that are still open.
class StepStream {
 public:
  // `extent`: for rules that do not run live. Throws Error(kUsage) where it is missing, or where
  // more than 64 windows overlap.
  StepStream(StepRule rule, FrameShape shape, EventValue value, NextEvents next,
             const std::optional<RecordingExtent>& extent);

  // Fills the next frame; false at the end. Throws Error(kData) for a gap of more than 2^20 steps,
  // and what `next` throws.
  bool next(std::span<float> frame);

 private:
  double start(int64_t window) const { return static_cast<double>(window) * stride_ + first_; }
  double end(int64_t window) const;
  bool is_over(int64_t window, double key) const;
  bool take_event();
  void begin(int64_t time);
  void add(double key);
  void finish();
  void emit(std::span<float> frame);

  StepRule rule_;
  FrameShape shape_;
  EventValue value_;
  NextEvents next_;
  Events block_;
  size_t at_ = 0;     // in the block
  int64_t seen_ = 0;  // events
  int64_t first_time_ = 0, last_time_ = 0;
  bool by_time_ = true, begun_ = false, ended_ = false;
  double first_ = 0, width_ = 1, stride_ = 1;
  int64_t frames_ = -1;  // in all; -1: known at the end
  int64_t window_ = 0;   // the next to be handed out, the front of open_
  std::deque<std::vector<float>> open_;
};

}  // namespace spikeloom
