#pragma once
// The chunks of a PNG, and what stands before its pixels; internal to image_decode. Chunks before
// the pixels need right checksums, as Pillow asks.

#include <png.h>

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>

namespace spikeloom {

constexpr std::string_view kPngSignature = "\x89PNG\r\n\x1a\n";
constexpr size_t kMaxPalette = 256 * 3;

struct PngChunk {
  std::string_view name;
  std::span<const std::byte> data;
  bool whole = false;  // false: the file ends inside it, `data` is what is there
  bool checked = false;
  size_t end = 0;  // offset behind it and its checksum
};

// Of the chunk at `at`. False when there is not even a head of 8 bytes, or one that is no name.
bool next_chunk(std::span<const std::byte> file, size_t at, PngChunk& chunk);

struct PngHead {
  uint32_t width = 0, height = 0;
  int depth = 0, colours = 0;
  bool interlaced = false;
  std::string palette{};
  size_t pixels_at = 0;  // offset of the first IDAT
  bool unknown = false;

  bool is_palette() const { return colours == PNG_COLOR_TYPE_PALETTE; }
  bool is_grey16() const { return depth == 16 && colours == PNG_COLOR_TYPE_GRAY; }
  // As libpng gives them, see start_png.
  size_t pixel_bytes() const { return is_palette() ? 1 : is_grey16() ? 2 : 3; }
};

// Everything before the pixels; not `whole`: nothing that the size does not need. Throws
// Error(kData).
PngHead read_png_head(std::span<const std::byte> file, bool whole);

// Bits of a pixel as stored.
uint64_t pixel_bits(const PngHead& head) noexcept;

}  // namespace spikeloom
