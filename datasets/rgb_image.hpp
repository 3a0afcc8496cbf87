#pragma once
// An 8-bit colour image in memory and the sizes the image readers accept.

#include <cstddef>
#include <cstdint>
#include <vector>

namespace spikeloom {

// Longest side, in pixels: what libjpeg can decode; PNG is held to the same.
constexpr int64_t kMaxImageSide = 65500;
// Most bytes one RGB image may take, decoded or resized: 256 MiB, about 89 million pixels. A file
// that declares more is refused before anything is allocated.
constexpr int64_t kMaxImageBytes = int64_t{256} << 20;

struct ImageSize {
  int64_t width = 0, height = 0;
};

// Row-major pixels, R G B each one byte, rows without padding: rgb.size() == 3 * width * height.
struct RgbImage {
  int64_t width = 0, height = 0;
  std::vector<uint8_t> rgb;
};

}  // namespace spikeloom
