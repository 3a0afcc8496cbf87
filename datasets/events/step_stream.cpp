#include "datasets/events/step_stream.hpp"

#include <algorithm>
#include <cmath>
#include <limits>

#include "core/error.hpp"

namespace spikeloom {
namespace {

constexpr int64_t kMostGap = 1 << 20;
constexpr double kMostOpen = 64;

}  // namespace

RecordingExtent measure(const NextEvents& next) {
  RecordingExtent extent;
  for (Events block; next(block);) {
    for (const int64_t t : block.t) {
      if (extent.events++ == 0) extent.first = extent.last = t;
      extent.first = std::min(extent.first, t);
      extent.last = std::max(extent.last, t);
    }
  }
  return extent;
}

StepStream::StepStream(StepRule rule, FrameShape shape, EventValue value, NextEvents next,
                       const std::optional<RecordingExtent>& extent)
    : rule_(std::move(rule)), shape_(shape), value_(value), next_(std::move(next)) {
  if (rule_.kind == StepRuleKind::kEsImageNet)
    throw Error(ErrorCode::kUsage, "es_imagenet: its frames are no stream");
  if (!rule_.runs_live() && !extent)
    throw Error(ErrorCode::kUsage, rule_.text +
                                       " needs the whole recording first: a file, or "
                                       "tonic.time_window, tonic.event_count or "
                                       "spikingjelly.duration");
  const RecordingExtent all = extent.value_or(RecordingExtent{});
  const auto value_of_rule = static_cast<double>(rule_.value);
  const auto each = [&](int64_t whole) { return static_cast<double>(whole / rule_.value); };
  switch (rule_.kind) {
    case StepRuleKind::kTonicTimeBins:
      width_ = each(all.last - all.first) * (1 + rule_.overlap);
      stride_ = width_ * (1 - rule_.overlap);
      break;
    case StepRuleKind::kTonicEventBins:
      width_ = std::floor(each(all.events) * (1 + rule_.overlap));
      stride_ = std::floor(width_ * (1 - rule_.overlap));
      break;
    case StepRuleKind::kSpikingJellyNumber: width_ = stride_ = each(all.events); break;
    case StepRuleKind::kSpikingJellyTime: width_ = stride_ = each(all.last - all.first); break;
    case StepRuleKind::kTonicTimeWindow:
    case StepRuleKind::kTonicEventCount:
      width_ = value_of_rule;
      stride_ = value_of_rule - rule_.overlap;
      break;
    case StepRuleKind::kSpikingJellyDuration:
    case StepRuleKind::kEsImageNet: width_ = stride_ = value_of_rule; break;
  }
  by_time_ = rule_.kind != StepRuleKind::kTonicEventBins &&
             rule_.kind != StepRuleKind::kTonicEventCount &&
             rule_.kind != StepRuleKind::kSpikingJellyNumber;
  if (rule_.fixes_frames()) frames_ = rule_.value;
  const bool few = frames_ >= 0 && static_cast<double>(frames_) <= kMostOpen;
  if (width_ > kMostOpen * stride_ && !few)
    throw Error(ErrorCode::kUsage, "more than 64 windows overlap, which a stream does not hold");
  if (by_time_ && extent) first_ = static_cast<double>(all.first);
}

// The last window of SpikingJelly's rules takes the rest.
double StepStream::end(int64_t window) const {
  const bool rest = rule_.kind == StepRuleKind::kSpikingJellyNumber ||
                    rule_.kind == StepRuleKind::kSpikingJellyTime;
  if (rest && window + 1 == frames_) return std::numeric_limits<double>::infinity();
  return start(window) + width_;
}

// An event at the very end of a `duration` may turn out to be the last: then it belongs to it.
bool StepStream::is_over(int64_t window, double key) const {
  return rule_.kind == StepRuleKind::kSpikingJellyDuration ? key > end(window) : key >= end(window);
}

void StepStream::begin(int64_t time) {
  begun_ = true;
  first_time_ = last_time_ = time;
  if (by_time_ && !rule_.fixes_frames())
    first_ = static_cast<double>(rule_.start_time.value_or(time));
  if (rule_.kind == StepRuleKind::kTonicTimeWindow && rule_.end_time) {
    frames_ = window_count(*rule_.end_time - static_cast<int64_t>(first_) - rule_.value,
                           static_cast<int64_t>(stride_), rule_.include_incomplete);
  }
}

// Into every open window that holds it.
void StepStream::add(double key) {
  for (size_t i = 0; start(window_ + static_cast<int64_t>(i)) <= key; ++i) {
    const int64_t window = window_ + static_cast<int64_t>(i);
    if (window == frames_) break;
    if (i == open_.size()) open_.emplace_back(static_cast<size_t>(shape_.size()));
    if (key < end(window)) add_event(open_[i], shape_, value_, block_, at_);
  }
}

// How many windows there are, now that the last event is known.
void StepStream::finish() {
  ended_ = true;
  if (frames_ >= 0) return;
  if (!begun_) {
    frames_ = 0;
  } else if (rule_.kind == StepRuleKind::kTonicTimeWindow) {
    frames_ = window_count(last_time_ - static_cast<int64_t>(first_) - rule_.value,
                           static_cast<int64_t>(stride_), rule_.include_incomplete);
  } else if (rule_.kind == StepRuleKind::kTonicEventCount) {
    frames_ = window_count(std::max<int64_t>(0, seen_ - rule_.value), static_cast<int64_t>(stride_),
                           rule_.include_incomplete);
  } else {
    const int64_t length = last_time_ - first_time_;
    frames_ = length / rule_.value + (length % rule_.value != 0 ? 1 : 0);
    const auto behind = static_cast<size_t>(frames_ - window_);  // the one after the last
    if (frames_ > window_ && open_.size() > behind) {
      std::vector<float>& last = open_[behind - 1];
      for (size_t i = 0; i < last.size(); ++i) {
        const float sum = last[i] + open_[behind][i];
        last[i] = value_ == EventValue::kBinary ? std::min(sum, 1.0f) : sum;
      }
    }
  }
}

void StepStream::emit(std::span<float> frame) {
  if (open_.empty()) {
    std::fill(frame.begin(), frame.end(), 0.0f);
  } else {
    std::copy(open_.front().begin(), open_.front().end(), frame.begin());
    open_.pop_front();
  }
  check_exact(frame);
  ++window_;
}

// Makes block_[at_] the next event; false at the end.
bool StepStream::take_event() {
  while (at_ >= block_.size()) {
    at_ = 0;
    if (!next_(block_)) return false;
  }
  return true;
}

bool StepStream::next(std::span<float> frame) {
  if (static_cast<int64_t>(frame.size()) != shape_.size())
    throw Error(ErrorCode::kInternal, "a frame of another size than the recording's");
  while (!ended_) {
    if (window_ == frames_) return false;  // what is left belongs to no frame
    if (!take_event()) {
      finish();
      break;
    }
    const int64_t t = block_.t[at_];
    if (!begun_) begin(t);
    const double key = static_cast<double>(by_time_ ? t : seen_);
    if (is_over(window_, key)) {
      if (!rule_.fixes_frames() && key - end(window_) > stride_ * static_cast<double>(kMostGap)) {
        throw Error(ErrorCode::kData, "a gap of more than " + std::to_string(kMostGap) +
                                          " steps in front of " + std::to_string(t) + " us");
      }
      emit(frame);
      return true;
    }
    add(key);
    last_time_ = std::max(last_time_, t);
    ++seen_;
    ++at_;
  }
  if (window_ >= frames_) return false;
  emit(frame);
  return true;
}

}  // namespace spikeloom
