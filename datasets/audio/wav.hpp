#pragma once
// WAV files and streams as samples at 16 kHz, through libsndfile and libsamplerate. A file and a
// stream of the same bytes give the same samples, the same notes and the same faults.

#include <cstddef>
#include <filesystem>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "core/io/file.hpp"
#include "datasets/audio/log_mel.hpp"

namespace spikeloom {

// Longest clip a dataset takes; streams have no limit.
constexpr int64_t kMaxClipSeconds = 60;

// Samples in [-1, 1) as they come, of the first channel, at 16 kHz: other rates (1..384 kHz) pass a
// sinc filter (libsamplerate, best quality). RIFF, RIFX, RF64, BW64 and W64 with PCM of 8 to 32
// bits, 32 and 64 bit floats, A-law, mu-law, also as WAVE_FORMAT_EXTENSIBLE, are read as they come;
// codings in blocks (ADPCM, GSM) as a whole. A length that a program could not write, because it
// wrote to a pipe (0, 0x7ffff000, 0x7fffffff, 0xffffffff), means: to the end. Ends up to 128 bytes
// early or inside a sample are noted. Errors are Error(kData): not a WAV file, no samples, a rate
// out of range, a sample that is not finite, a file shorter than its header says.
class WavReader {
 public:
  explicit WavReader(std::span<const std::byte> bytes);  // must outlive the reader
  explicit WavReader(std::shared_ptr<const InputFile> file);
  // `first`: bytes of it that somebody has read already.
  static WavReader standard_input(std::string first = {});
  ~WavReader();
  WavReader(WavReader&&) noexcept;
  WavReader& operator=(WavReader&&) = delete;

  // Appends the samples of the next `frames` of the file (fewer at its end); false when there are
  // none.
  bool read(int64_t frames, std::vector<float>& samples);
  // In the file: frames a second, and their number as far as the header tells (streams without a
  // length: huge).
  int64_t rate() const noexcept;
  int64_t frames() const noexcept;
  // Once all is read: what was forgiven, in words without numbers.
  const std::vector<std::string>& notes() const noexcept;

 private:
  struct State;
  explicit WavReader(std::unique_ptr<State> state);
  void open();
  void check_length() const;
  void note_the_end();
  std::unique_ptr<State> state_;
};

// All samples of a clip of at most kMaxClipSeconds and at least 25 ms (one analysis window). Errors
// name the path.
struct Sound {
  std::vector<float> samples;
  std::vector<std::string> notes;
};
Sound read_clip(const std::filesystem::path& path);
Sound decode_clip(std::span<const std::byte> bytes);

}  // namespace spikeloom
