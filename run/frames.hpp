#pragma once
// Frames of one sound or sequence, one after the other, for a network that is fed as they come.

#include <functional>
#include <string>
#include <vector>

#include "core/tensor.hpp"
#include "datasets/audio/log_mel.hpp"
#include "datasets/audio/wav.hpp"

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

}  // namespace spikeloom
