#include "datasets/resample.hpp"

#include <algorithm>
#include <cmath>
#include <string>
#include <utility>

#include "core/error.hpp"

namespace spikeloom {
namespace {

constexpr int kChannels = 3;
constexpr int kFractionBits = 22;
constexpr int32_t kHalf = int32_t{1} << (kFractionBits - 1);

// Keys' cubic convolution kernel, in the order of operations that Pillow rounds in.
double cubic(double x) {
  constexpr double a = -0.5;
  x = std::fabs(x);
  if (x < 1.0) return ((a + 2.0) * x - (a + 3.0)) * x * x + 1.0;
  if (x < 2.0) return (((x - 5.0) * x + 8.0) * x - 4.0) * a;
  return 0.0;
}

// |weights| of one output sum to at most 1.25, so 32 bits hold every sum of 8-bit pixels.
uint8_t to_byte(int32_t sum) {
  return static_cast<uint8_t>(std::clamp(sum >> kFractionBits, 0, 255));
}

RgbImage resize_columns(const RgbImage& image, int64_t width) {
  const ColumnResizer resizer(image.width, width);
  RgbImage result{width, image.height, {}};
  result.rgb.resize(static_cast<size_t>(width * image.height * kChannels));
  for (int64_t y = 0; y < image.height; ++y) {
    resizer.row(image.rgb.data() + y * image.width * kChannels,
                result.rgb.data() + y * width * kChannels);
  }
  return result;
}

RgbImage resize_rows(const RgbImage& image, int64_t height) {
  const ResampleTaps taps = bicubic_taps(image.height, height);
  const auto pitch = static_cast<size_t>(image.width * kChannels);
  RgbImage result{image.width, height, {}};
  result.rgb.resize(pitch * static_cast<size_t>(height));
  std::vector<int32_t> sum(pitch);
  uint8_t* out = result.rgb.data();
  for (size_t y = 0; y < taps.first.size(); ++y) {
    std::fill(sum.begin(), sum.end(), kHalf);
    const uint8_t* in = image.rgb.data() + static_cast<size_t>(taps.first[y]) * pitch;
    for (size_t k = taps.begin[y]; k < taps.begin[y + 1]; ++k, in += pitch) {
      for (size_t x = 0; x < pitch; ++x) sum[x] += taps.weights[k] * in[x];
    }
    for (const int32_t value : sum) *out++ = to_byte(value);
  }
  return result;
}

// Division by two of a difference that is not negative.
int64_t half(int64_t difference, CropRule rule) {
  const int64_t down = difference / 2;
  if (difference % 2 == 0) return down;
  return rule == CropRule::kFloorPlusHalf ? down + 1 : down + down % 2;
}

// One axis of a crop: `count` pixels from `from` in the image to `to` in the result.
struct Span {
  int64_t from, to, count;
};

Span crop_axis(int64_t length, int64_t crop, CropRule rule) {
  if (length < crop) return {0, (crop - length) / 2, length};
  return {half(length - crop, rule), 0, crop};
}

}  // namespace

ResampleTaps bicubic_taps(int64_t in, int64_t out) {
  const double scale = static_cast<double>(in) / static_cast<double>(out);
  const double stretch = std::max(scale, 1.0);
  const double support = 2.0 * stretch, inverse = 1.0 / stretch;
  ResampleTaps taps;
  taps.begin.push_back(0);
  std::vector<double> weights;
  for (int64_t i = 0; i < out; ++i) {
    const double centre = (static_cast<double>(i) + 0.5) * scale;
    // Cut, not rounded: what lies left of the image is cut to 0 either way.
    const double left = centre - support + 0.5, right = centre + support + 0.5;
    const int64_t low = std::max<int64_t>(0, static_cast<int64_t>(left));
    const int64_t high = std::min(in, static_cast<int64_t>(right));
    weights.clear();
    double total = 0;
    for (int64_t j = low; j < high; ++j) {
      weights.push_back(cubic((static_cast<double>(j) - centre + 0.5) * inverse));
      total += weights.back();
    }
    for (double weight : weights) {
      if (total != 0.0) weight /= total;
      const double scaled = weight * (int32_t{1} << kFractionBits);
      taps.weights.push_back(static_cast<int32_t>(weight < 0 ? scaled - 0.5 : scaled + 0.5));
    }
    taps.first.push_back(low);
    taps.begin.push_back(taps.weights.size());
  }
  return taps;
}

void ColumnResizer::row(const uint8_t* in, uint8_t* out) const noexcept {
  for (size_t x = 0; x < taps_.first.size(); ++x) {
    const uint8_t* from = in + taps_.first[x] * kChannels;
    int32_t sum[kChannels] = {kHalf, kHalf, kHalf};
    for (size_t k = taps_.begin[x]; k < taps_.begin[x + 1]; ++k) {
      for (int c = 0; c < kChannels; ++c) sum[c] += taps_.weights[k] * *from++;
    }
    for (const int32_t value : sum) *out++ = to_byte(value);
  }
}

void check_resize(const ImageSize& from, const ImageSize& to) {
  const int64_t tallest = std::max(from.height, to.height);
  if (to.width <= kMaxImageBytes / kChannels / tallest) return;
  throw Error(ErrorCode::kData,
              "resizing " + std::to_string(from.width) + "x" + std::to_string(from.height) +
                  " to " + std::to_string(to.width) + "x" + std::to_string(to.height) +
                  " takes more than " + std::to_string(kMaxImageBytes) + " bytes");
}

RgbImage resize_bicubic(RgbImage image, int64_t width, int64_t height) {
  check_resize({image.width, image.height}, {width, height});
  if (width != image.width) image = resize_columns(image, width);
  if (height != image.height) image = resize_rows(image, height);
  return image;
}

ImageSize short_side_size(const ImageSize& from, int64_t size) {
  if (from.width <= from.height) return {size, size * from.height / from.width};
  return {size * from.width / from.height, size};
}

RgbImage centre_crop(const RgbImage& image, int64_t crop, CropRule rule) {
  const Span x = crop_axis(image.width, crop, rule), y = crop_axis(image.height, crop, rule);
  RgbImage result{crop, crop, std::vector<uint8_t>(static_cast<size_t>(crop * crop * kChannels))};
  for (int64_t row = 0; row < y.count; ++row) {
    const uint8_t* from = image.rgb.data() + ((y.from + row) * image.width + x.from) * kChannels;
    std::copy_n(from, x.count * kChannels,
                result.rgb.data() + ((y.to + row) * crop + x.to) * kChannels);
  }
  return result;
}

}  // namespace spikeloom
