#pragma once
// Frames of events: how many events each pixel had in a step.

#include <cstdint>
#include <optional>
#include <span>
#include <string_view>

#include "core/levels.hpp"
#include "datasets/events/events.hpp"
#include "datasets/events/steps.hpp"

namespace spikeloom {

// What a value of a frame is.
enum class EventValue {
  kCount,   // events, OFF and ON in channels 0 and 1
  kBinary,  // 1 where there are any
  kSigned,  // ON minus OFF, in one channel
};
EventValue event_value_named(std::string_view name);  // Error(kUsage)

// The shape of a frame. Of one dimension (height 0): [width], otherwise [height, width, channels].
struct FrameShape {
  int64_t width = 0, height = 0, channels = 2;
  int64_t size() const noexcept { return width * (height == 0 ? 1 : height * channels); }
};
FrameShape frame_shape(int64_t width, int64_t height, EventValue value) noexcept;

// Adds an event to a frame of counts.
void add_event(std::span<float> frame, const FrameShape& shape, EventValue value,
               const Events& events, size_t event) noexcept;
// Adds the events of a slice. Binary values are 1 however often they are added.
void add_events(std::span<float> frame, const FrameShape& shape, EventValue value,
                const Events& events, Slice slice) noexcept;

// ES-ImageNet's own loader: centred in 256 x 256 by the extent of the image, then the middle 224 x
// 224; pos in channel 0, neg in 1. Throws Error(kData) for events that the shift moves out.
constexpr int64_t kEsImageNetSide = 224;
Events centred(const Events& events, int64_t rows, int64_t columns);

// Whole numbers beyond 2^24 are not exact: Error(kData).
void check_exact(std::span<const float> frames);

}  // namespace spikeloom
