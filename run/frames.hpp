#pragma once
// Frames of one sound or sequence, one after the other, for a network that is fed as they come.

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "core/tensor.hpp"
#include "datasets/audio/log_mel.hpp"
#include "datasets/audio/wav.hpp"
#include "datasets/events/recording.hpp"
#include "datasets/events/step_stream.hpp"

namespace spikeloom {

// Where frames come from. The next one, as the network reads it, into [1, C]; false at the end.
using NextFrame = std::function<bool(Tensor&)>;

// Frames of a sound as it comes; holds one window and one block.
class SoundFrames {
 public:
  explicit SoundFrames(WavReader reader);
  bool next(Tensor& frame);
  const std::vector<std::string>& notes() const { return reader_.notes(); }

 private:
  WavReader reader_;
  int64_t block_ = 1;
  std::vector<float> samples_;
  LogMel front_end_;
  std::vector<double> values_ = std::vector<double>(kMelBins);
};

// Rows of an array [T, C] or [1, T, C], read as they are. Throws Error(kData) for any other, and for
// values that are not finite.
class ArrayFrames {
 public:
  ArrayFrames(const Tensor& array, int64_t channels);
  bool next(Tensor& frame);

 private:
  Tensor values_;
  size_t at_ = 0;
};

// Frames of a recording of an event camera as its events come; see datasets/events/step_stream.hpp.
class EventFrames {
 public:
  // `extent`: of rules that need it, measured before.
  EventFrames(Recording recording, const EventOptions& options, FrameShape shape,
              const std::optional<RecordingExtent>& extent);
  bool next(Tensor& frame);
  // Complete when next() has returned false.
  const RecordingInfo& info() const noexcept { return recording_->info(); }

 private:
  std::unique_ptr<Recording> recording_;
  StepStream steps_;
};

// The shape of the frames of a recording. Throws Error(kUsage) where nothing tells the sensor's
// size.
FrameShape frame_shape_of(const RecordingInfo& info, const EventOptions& options);

}  // namespace spikeloom
