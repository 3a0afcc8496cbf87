#pragma once
// WAV files and streams as samples at 16 kHz, through libsndfile and libsamplerate.

#include <cstddef>
#include <filesystem>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "datasets/audio/log_mel.hpp"

namespace spikeloom {

// Longest clip a dataset takes; streams have no limit.
constexpr int64_t kMaxClipSeconds = 60;

// Samples in [-1, 1) as they come, of the first channel, at 16 kHz: other rates (1..384 kHz) pass a
// sinc filter (libsamplerate, best quality). Errors are Error(kData): not a WAV file, no samples, a
// rate out of range, a sample that is not finite, a file shorter than its header says (a length of
// 0 or 2^32 - 1 means: to the end, as programs that write to pipes do).
class WavReader {
 public:
  explicit WavReader(std::span<const std::byte> bytes);  // must outlive the reader
  static WavReader standard_input();
  ~WavReader();
  WavReader(WavReader&&) noexcept;
  WavReader& operator=(WavReader&&) = delete;

  // Appends the samples of the next `frames` of the file (fewer at its end); false when there are
  // none.
  bool read(int64_t frames, std::vector<float>& samples);
  // In the file: frames a second, and their number as far as the header tells (streams: unknown,
  // huge).
  int64_t rate() const noexcept;
  int64_t frames() const noexcept;

 private:
  struct State;
  explicit WavReader(std::unique_ptr<State> state);
  void open();
  std::unique_ptr<State> state_;
};

// All samples of a clip of at most kMaxClipSeconds and at least 25 ms (one analysis window). Errors
// name the path.
std::vector<float> read_clip(const std::filesystem::path& path);
std::vector<float> decode_clip(std::span<const std::byte> bytes);

}  // namespace spikeloom
