#pragma once
// Log-mel frames as the authors of LMUFormer compute them: torchaudio's Kaldi-compatible filter
// bank with a Hann window, no dither and no energy, on samples in [-1, 1).
//
// Frame i covers samples [160 i, 160 i + 400) at 16 kHz. In double: subtract the frame's mean; y[j]
// = x[j] - 0.97 x[j-1] inside the frame, with x[-1] = x[0]; times 0.5 - 0.5 cos(2 pi j / 399);
// zero-padded to 512, power spectrum of bins 0..255; 128 triangles of height 1, linear in mel(f) =
// 1127 ln(1 + f/700), between mel(20) and mel(8000); natural logarithm of at least 2^-23. The
// clip's mean, which the authors subtract first, is left to the frame's: it changes rounding only,
// and a live stream does not know it. Filter 3 lies between two bins and always gives the floor.

#include <cstdint>
#include <memory>
#include <span>
#include <vector>

#include "core/tensor.hpp"

namespace spikeloom {

constexpr int64_t kSampleRate = 16000, kFrameSamples = 400, kFrameShift = 160, kMelBins = 128;

class LogMel {
 public:
  LogMel();
  ~LogMel();
  LogMel(const LogMel&) = delete;
  LogMel& operator=(const LogMel&) = delete;
  // One frame; samples: kFrameSamples of them. Thread-safe between objects, not within one.
  void frame(std::span<const float> samples, std::span<double> log_mel) const;

 private:
  struct Tables;
  std::unique_ptr<Tables> tables_;
};

// Frames that fit into `samples`: 1 + floor((n - 400) / 160), 0 below 400.
int64_t frame_count(int64_t samples) noexcept;

// What the networks read: (value - mean) / (2 std) of the authors' statistics, rounded to fp32
// once.
float normalised_log_mel(double value) noexcept;
// A clip as the networks read it, [frames, 128]: cut to the first `frames`, or padded at the end
// with frames of 0.0 before normalisation, as the authors do (which is louder than silence).
Tensor log_mel_input(std::span<const float> samples, int64_t frames);

}  // namespace spikeloom
