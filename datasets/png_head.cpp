#include "datasets/png_head.hpp"

#include <zlib.h>

#include <algorithm>
#include <bit>

#include "core/error.hpp"
#include "core/io/bytes.hpp"
#include "datasets/image_rows.hpp"

namespace spikeloom {
namespace {

using Bytes = std::span<const std::byte>;

// Deflate codes at most 258 bytes in 2 bits.
constexpr uint64_t kDeflateRatio = 258 * 4;

[[noreturn]] void fail(const std::string& reason) {
  throw Error(ErrorCode::kData, "PNG: " + reason);
}

uint32_t number_at(Bytes file, size_t at) {
  uint32_t value = 0;
  for (size_t i = 0; i < 4; ++i) value = value << 8 | std::to_integer<uint32_t>(file[at + i]);
  return value;
}

bool is_name(std::string_view name) {
  return name.size() == 4 && std::all_of(name.begin(), name.end(), [](char c) {
           return (c >= '0' && c <= '9') || (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') ||
                  c == '_';
         });
}

void read_ihdr(Bytes data, PngHead& head) {
  if (data.size() < 13) fail("the header is cut off");
  const auto byte = [&](size_t at) { return std::to_integer<int>(data[at]); };
  head.width = number_at(data, 0);
  head.height = number_at(data, 4);
  head.depth = byte(8);
  head.colours = byte(9);
  head.interlaced = byte(12) != 0;
  constexpr int kDepths[] = {1 | 2 | 4 | 8 | 16, 0, 8 | 16, 1 | 2 | 4 | 8, 8 | 16, 0, 8 | 16};
  const int allowed = head.colours < 7 ? kDepths[head.colours] : 0;
  if (allowed == 0) fail("unknown colour type " + std::to_string(head.colours));
  if (std::popcount(static_cast<unsigned>(head.depth)) != 1 || (allowed & head.depth) == 0)
    fail(std::to_string(head.depth) + " bits in colour type " + std::to_string(head.colours));
  if (byte(11) != 0) fail("unknown filter method " + std::to_string(byte(11)));
}

}  // namespace

bool next_chunk(Bytes file, size_t at, PngChunk& chunk) {
  if (at + 8 > file.size()) return false;
  const size_t length = number_at(file, at), left = file.size() - at - 8;
  chunk.name = as_text(file.subspan(at + 4, 4));
  if (!is_name(chunk.name)) return false;
  chunk.whole = length <= left;
  chunk.data = file.subspan(at + 8, std::min(length, left));
  chunk.end = std::min(file.size(), at + 8 + chunk.data.size() + 4);
  const Bytes covered = file.subspan(at + 4, 4 + chunk.data.size());
  chunk.checked = chunk.whole && left - length >= 4 &&
                  crc32_z(0, reinterpret_cast<const Bytef*>(covered.data()), covered.size()) ==
                      number_at(file, at + 8 + length);
  return true;
}

uint64_t pixel_bits(const PngHead& head) noexcept {
  constexpr uint64_t kChannels[] = {1, 0, 3, 1, 2, 0, 4};
  return static_cast<uint64_t>(head.depth) * kChannels[head.colours];
}

PngHead read_png_head(Bytes file, bool whole) {
  PngHead head;
  size_t at = kPngSignature.size();
  for (PngChunk chunk;; at = chunk.end) {
    if (!next_chunk(file, at, chunk)) {
      if (at + 8 <= file.size()) fail("no chunk at byte " + std::to_string(at));
      fail(head.width == 0 ? "the header is cut off" : "the file is cut off");
    }
    const std::string name(chunk.name);
    if (name == "IDAT" || name == "IEND") break;
    if (!chunk.whole || (chunk.end == file.size() && !chunk.checked)) {
      fail(name == "IHDR" ? "the header is cut off" : "the file is cut off");
    }
    if (!chunk.checked) fail("chunk " + name + " has a wrong checksum");
    const bool known = name == "IHDR" || name == "PLTE";
    head.unknown |= !known && name[0] < 'a';
    if (name == "PLTE") head.palette = as_text(chunk.data);
    if (name != "IHDR") continue;
    read_ihdr(chunk.data, head);
    if (!whole) break;
  }
  if (head.width == 0 && head.colours == 0 && head.depth == 0) fail("no IHDR before the pixels");
  if (whole && as_text(file.subspan(at + 4, 4)) != "IDAT") fail("no pixels before the end");
  head.pixels_at = at;
  check_declared(head.width, head.height, [&] {
    return (head.width * pixel_bits(head) + 7) / 8 * head.height / kDeflateRatio <= file.size();
  });
  if (head.is_palette() && head.palette.size() > kMaxPalette)
    fail("a palette of " + std::to_string(head.palette.size()) + " bytes");
  return head;
}

}  // namespace spikeloom
