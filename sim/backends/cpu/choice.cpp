#include "sim/backends/cpu/choice.hpp"

#include <algorithm>
#include <cmath>

namespace spikeloom {
namespace {

// Precisions x kernels x fan-ins x outputs, the last one running fastest.
constexpr Precision kSumPrecisions[] = {Precision::kF32, Precision::kAcc16, Precision::kInt8};
constexpr double kUsualRates[] = {0.45, 0.35, 0.25};
constexpr int64_t kKernels[] = {1, 3};
constexpr int64_t kInChannels[2][3] = {{64, 256, 512}, {32, 64, 128}};  // per kernel
constexpr int64_t kOutChannels[] = {32, 128};

constexpr size_t index_of(size_t precision, size_t kernel, size_t in, size_t out) {
  return ((precision * 2 + kernel) * 3 + in) * 2 + out;
}

constexpr std::array<SumShape, kSumShapes> make_shapes() {
  std::array<SumShape, kSumShapes> shapes{};
  for (size_t i = 0; i < kSumShapes; ++i) {
    const size_t kernel = i / 6 % 2;
    shapes[i] = {kSumPrecisions[i / 12], kKernels[kernel], kInChannels[kernel][i / 2 % 3],
                 kOutChannels[i % 2]};
  }
  return shapes;
}
constexpr std::array<SumShape, kSumShapes> kShapes = make_shapes();

// Where x lies between two corners along the logarithm: 0 to 1.
double place(int64_t x, int64_t from, int64_t to) {
  const double at = std::log(static_cast<double>(x) / static_cast<double>(from)) /
                    std::log(static_cast<double>(to) / static_cast<double>(from));
  return std::clamp(at, 0.0, 1.0);
}

}  // namespace

std::span<const SumShape, kSumShapes> sum_shapes() noexcept {
  return kShapes;
}

BreakEven usual_break_even() noexcept {
  BreakEven rates;
  for (size_t i = 0; i < kSumShapes; ++i) rates[i] = kUsualRates[i / 12];
  return rates;
}

double break_even_rate(const BreakEven& rates, Precision precision, int64_t kernel, int64_t fan_in,
                       int64_t out_channels) noexcept {
  const size_t p = precision == Precision::kF32     ? 0
                   : precision == Precision::kAcc16 ? 1
                                                    : 2,
               k = kernel == 1 ? 0 : 1;
  const int64_t taps = kKernels[k] * kKernels[k];
  const size_t below = fan_in < taps * kInChannels[k][1] ? 0 : 1;
  const double in = place(fan_in, taps * kInChannels[k][below], taps * kInChannels[k][below + 1]),
               out = place(out_channels, kOutChannels[0], kOutChannels[1]);
  const auto along_out = [&](size_t fan) {
    return std::lerp(rates[index_of(p, k, fan, 0)], rates[index_of(p, k, fan, 1)], out);
  };
  return std::lerp(along_out(below), along_out(below + 1), in);
}

}  // namespace spikeloom
