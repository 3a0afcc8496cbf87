#include "datasets/events/frames.hpp"

#include <algorithm>
#include <cmath>
#include <string>

#include "core/error.hpp"
#include "core/io/hint.hpp"

namespace spikeloom {

EventValue event_value_named(std::string_view name) {
  if (name == "count") return EventValue::kCount;
  if (name == "binary") return EventValue::kBinary;
  if (name == "signed") return EventValue::kSigned;
  throw Error(ErrorCode::kUsage,
              "value: expected count, binary or signed, found " + in_quotes(std::string(name)));
}

FrameShape frame_shape(int64_t width, int64_t height, EventValue value) noexcept {
  return {width, height, height != 0 && value != EventValue::kSigned ? 2 : 1};
}

void add_event(std::span<float> frame, const FrameShape& shape, EventValue value,
               const Events& events, size_t event) noexcept {
  const auto width = static_cast<size_t>(shape.width),
             channels = static_cast<size_t>(shape.channels);
  const size_t pixel = events.y[event] * width + events.x[event];
  const bool on = events.p[event] != 0;
  float& cell = frame[pixel * channels + (channels == 2 && on ? 1 : 0)];
  if (value == EventValue::kBinary) {
    cell = 1;
  } else {
    cell += value == EventValue::kSigned && shape.height != 0 && !on ? -1.0f : 1.0f;
  }
}

void add_events(std::span<float> frame, const FrameShape& shape, EventValue value,
                const Events& events, Slice slice) noexcept {
  for (size_t i = slice.begin; i < slice.end; ++i) add_event(frame, shape, value, events, i);
}

Events centred(const Events& events, int64_t rows, int64_t columns) {
  constexpr int64_t kSide = 256, kRoom = 254, kCrop = (kSide - kEsImageNetSide) / 2;
  const auto half = [](int64_t room) { return room >= 0 ? room / 2 : -((1 - room) / 2); };
  const int64_t down = half(kRoom - rows), right = half(kRoom - columns);
  Events result;
  for (size_t i = 0; i < events.size(); ++i) {
    const int64_t y = events.y[i] + down, x = events.x[i] + right;
    if (y < 0 || x < 0 || y >= kSide || x >= kSide) {
      throw Error(ErrorCode::kData, "event " + std::to_string(i) + " lies outside of an image of " +
                                        std::to_string(rows) + " x " + std::to_string(columns));
    }
    const int64_t row = y - kCrop, column = x - kCrop;
    if (row < 0 || column < 0 || row >= kEsImageNetSide || column >= kEsImageNetSide) continue;
    result.t.push_back(events.t[i]);
    result.x.push_back(static_cast<uint16_t>(column));
    result.y.push_back(static_cast<uint16_t>(row));
    result.p.push_back(events.p[i] != 0 ? 0 : 1);
  }
  return result;
}

void check_exact(std::span<const float> frames) {
  for (const float value : frames) {
    if (std::abs(value) > static_cast<float>(kMostLevel)) {
      throw Error(ErrorCode::kData, "a pixel has more than " + std::to_string(kMostLevel) +
                                        " events in one step; give shorter steps");
    }
  }
}

}  // namespace spikeloom
