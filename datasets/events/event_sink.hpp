#pragma once
// Where decoders put events: checks coordinates, counts what should not be.

#include "datasets/events/events.hpp"

namespace spikeloom {

class EventSink {
 public:
  // `info` outlives it; its width and height are the bounds, 0: what 16 bits can say.
  explicit EventSink(RecordingInfo& info) noexcept : info_(info) {
    width_ = info.width > 0 ? info.width : kWidest;
    height_ = info.height > 0 ? info.height : kWidest;
  }

  // Where the next events go.
  void into(Events& events) noexcept { events_ = &events; }
  RecordingInfo& info() noexcept { return info_; }
  int64_t width() const noexcept { return width_; }
  int64_t height() const noexcept { return height_; }

  // `at`: the byte of the recording it comes from. Times that no clock shows count as unknown.
  void add(int64_t t, int64_t x, int64_t y, bool on, uint64_t at) {
    if (t > kLatest || t < -kLatest) return info_.unknown.add(at);
    if (x < 0 || y < 0 || x >= width_ || y >= height_) return info_.outside.add(at);
    if (info_.events > 0 && t < last_) info_.falls.add(at);
    last_ = t;
    ++info_.events;
    events_->t.push_back(t);
    events_->x.push_back(static_cast<uint16_t>(x));
    events_->y.push_back(static_cast<uint16_t>(y));
    events_->p.push_back(on ? 1 : 0);
  }

  // Events that are counted already.
  void append(Events events) { *events_ = std::move(events); }

 private:
  static constexpr int64_t kLatest = int64_t{1} << 52;  // 142 years
  static constexpr int64_t kWidest = 65536;
  RecordingInfo& info_;
  Events* events_ = nullptr;
  int64_t width_, height_;
  int64_t last_ = 0;
};

}  // namespace spikeloom
