#pragma once
// What stands before the samples of a WAV file: RIFF, RIFX (big-endian), RF64 and BW64 (64-bit
// lengths), and Sony's W64. Read in order, so that a stream can be read the same way.

#include <cstddef>
#include <cstdint>
#include <functional>
#include <optional>
#include <span>
#include <string>
#include <vector>

namespace spikeloom {

// Bytes in order: fills the span; fewer only at the end.
using ByteSource = std::function<size_t(std::span<std::byte>)>;

struct WavHead {
  // libsndfile's number for raw samples of this coding; 0: a coding in blocks, which libsndfile has
  // to read from the whole file.
  int raw_format = 0;
  int64_t rate = 0, channels = 0;
  int64_t frame_bytes = 0;  // of one sample of every channel; raw codings
  // Of the samples; none: to the end, as the header of a program that writes to a pipe says (0,
  // 0x7ffff000, 0x7fffffff, 0xffffffff).
  std::optional<uint64_t> data_bytes;
  uint64_t data_offset = 0;
  // The bytes from the start that were read, as far as kMostKept; `pending` of them, at the end,
  // are the first of the samples.
  std::vector<std::byte> kept;
  size_t pending = 0;
  bool all_kept = true;
};

constexpr size_t kMostKept = size_t{1} << 20;

// Reads up to the first byte of the samples. Throws Error(kData): no WAV file, with the name of
// what it is where that is known; a format that makes no sense; no samples.
WavHead read_wav_head(const ByteSource& source);

// True when what follows the samples, at most 8 bytes of it, is the head of another chunk.
bool looks_like_chunk(std::span<const std::byte> bytes);

}  // namespace spikeloom
