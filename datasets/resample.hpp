#pragma once
// Pillow's antialiased bicubic resize of 8-bit images and torchvision's centre crop, bit for bit.

#include <cstddef>
#include <cstdint>
#include <vector>

#include "datasets/rgb_image.hpp"
#include "datasets/spec.hpp"

namespace spikeloom {

// One axis: output i is the sum over j < count(i) of weights[begin[i] + j] * input[first[i] + j],
// weights in units of 2^-22.
struct ResampleTaps {
  std::vector<int64_t> first;
  std::vector<size_t> begin;  // one more than outputs
  std::vector<int32_t> weights;
  int64_t count(size_t i) const noexcept { return static_cast<int64_t>(begin[i + 1] - begin[i]); }
};

// Cubic with a = -0.5 over 2 max(in / out, 1) pixels to each side, normalised in double and rounded
// half away from zero. Both lengths are at least 1.
ResampleTaps bicubic_taps(int64_t in, int64_t out);

// One row after the other to another number of columns, 3 bytes a pixel.
class ColumnResizer {
 public:
  ColumnResizer(int64_t in, int64_t out) : taps_(bicubic_taps(in, out)) {}
  void row(const uint8_t* in, uint8_t* out) const noexcept;

 private:
  ResampleTaps taps_;
};

// Error(kData) when the result or the image between the passes exceeds kMaxImageBytes.
void check_resize(const ImageSize& from, const ImageSize& to);

// Columns first, rounded to bytes, then rows; an axis that keeps its length is left alone.
// Throws like check_resize.
RgbImage resize_bicubic(RgbImage image, int64_t width, int64_t height);

// The size after the short side became `size` and the long side floor(size * long / short).
ImageSize short_side_size(const ImageSize& from, int64_t size);

// The middle crop x crop pixels. What is missing on an axis is filled with zeros, the odd one
// after the image; `rule` rounds the offset where the image is larger.
RgbImage centre_crop(const RgbImage& image, int64_t crop, CropRule rule);

}  // namespace spikeloom
