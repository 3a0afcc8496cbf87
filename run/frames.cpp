#include "run/frames.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "core/error.hpp"

namespace spikeloom {

SoundFrames::SoundFrames(WavReader reader) : reader_(std::move(reader)) {
  // Blocks of one frame shift: a live source must not wait for more.
  block_ = std::max<int64_t>(1, reader_.rate() * kFrameShift / kSampleRate);
}

bool SoundFrames::next(Tensor& frame) {
  while (static_cast<int64_t>(samples_.size()) < kFrameSamples) {
    if (!reader_.read(block_, samples_)) return false;
  }
  front_end_.frame(std::span(samples_).first(kFrameSamples), values_);
  std::transform(values_.begin(), values_.end(), frame.f32().begin(), normalised_log_mel);
  samples_.erase(samples_.begin(), samples_.begin() + kFrameShift);
  return true;
}

ArrayFrames::ArrayFrames(const Tensor& array, int64_t channels) : values_(to_f32(array)) {
  const Shape& shape = array.shape();
  const size_t axes = shape.size();
  const bool fits = (axes == 2 || (axes == 3 && shape[0] == 1)) && shape[axes - 1] == channels;
  if (!fits || array.size() == 0) {
    throw Error(ErrorCode::kData,
                fmt::format("expected frames [T,{}], found {}", channels, to_string(shape)));
  }
  for (size_t i = 0; i < values_.f32().size(); ++i) {
    if (!std::isfinite(values_.f32()[i])) {
      throw Error(ErrorCode::kData, fmt::format("frame {} holds a value that is not finite",
                                                i / static_cast<size_t>(channels)));
    }
  }
}

bool ArrayFrames::next(Tensor& frame) {
  const auto to = frame.f32();
  const auto values = values_.f32();
  if (at_ == values.size()) return false;
  std::copy_n(values.begin() + static_cast<std::ptrdiff_t>(at_), to.size(), to.begin());
  at_ += to.size();
  return true;
}

EventFrames::EventFrames(Recording recording, const EventOptions& options, FrameShape shape,
                         const std::optional<RecordingExtent>& extent)
    : recording_(std::make_unique<Recording>(std::move(recording))),
      steps_(
          parse_step_rule(options.steps), shape, event_value_named(options.value),
          [from = recording_.get()](Events& events) { return from->next(events); }, extent) {}

bool EventFrames::next(Tensor& frame) {
  return steps_.next(frame.f32());
}

FrameShape frame_shape_of(const RecordingInfo& info, const EventOptions& options) {
  if (info.width == 0)
    throw Error(ErrorCode::kUsage, "sensor: " + info.format +
                                       " files do not say how large it is; give [width, height]");
  return frame_shape(info.width, info.format == "shd" ? 0 : info.height,
                     event_value_named(options.value));
}

}  // namespace spikeloom
