#include "sim/backends/cpu/measure.hpp"

#include <time.h>

#include <algorithm>
#include <bit>
#include <vector>

#include "core/rng.hpp"

namespace spikeloom::cpu {
namespace {

// Pixels of a map. Layers without a window share the work of making tables between many.
constexpr int64_t kWidth = 16;
int64_t height_of(const SumShape& shape) {
  return shape.kernel == 1 ? kMeasuredRows / kWidth : 8;
}
constexpr int kRounds = 5;  // at least; more where they are short
constexpr double kSeconds = 0.006;
// In doubt sums are dense: from run to run a fifth lies between two measurements. Not further:
// events lose more when they are not chosen than they do when they are.
constexpr double kCaution = 0.85;
constexpr uint64_t kSeed = 3;

// Processor time of this thread: other programs matter less.
double seconds_now() {
  timespec time;
  clock_gettime(CLOCK_THREAD_CPUTIME_ID, &time);
  return static_cast<double>(time.tv_sec) + 1e-9 * static_cast<double>(time.tv_nsec);
}

struct Spikes {
  std::vector<uint64_t> bits;
  double rate = 0;  // share of set inputs
};

// Independent spikes of a map: an input is set with probability 1/16, or 3/8.
Spikes fire(const SumShape& shape, bool often) {
  const int64_t channels = shape.in_channels, pixels = height_of(shape) * kWidth,
                words = words_for(channels);
  Spikes spikes;
  int64_t events = 0;
  for (int64_t i = 0; i < pixels * words; ++i) {
    const auto random = [&](uint64_t which) {
      return random_bits(kSeed, which, static_cast<uint64_t>(i));
    };
    uint64_t bits = random(0) & (often ? random(1) | random(2) : random(1) & random(2) & random(3));
    if (const int64_t left = channels - i % words * 64; left < 64)
      bits &= (uint64_t{1} << left) - 1;
    spikes.bits.push_back(bits);
    events += std::popcount(bits);
  }
  spikes.rate = static_cast<double>(events) / static_cast<double>(pixels * channels);
  return spikes;
}

DType dtype_of(Precision precision) {
  return precision == Precision::kInt8    ? DType::kI8
         : precision == Precision::kAcc16 ? DType::kI16
                                          : DType::kF32;
}

// A convolution that keeps the size of its map. Its weights are zero, which no kernel notices.
class Layer {
 public:
  explicit Layer(const SumShape& shape)
      : in_({height_of(shape), kWidth, shape.in_channels}),
        out_({height_of(shape), kWidth, shape.out_channels}),
        conv_(zero_conv({shape.in_channels, shape.out_channels, shape.kernel, 1, shape.kernel / 2,
                         in_[0], kWidth, in_[0], kWidth},
                        dtype_of(shape.precision))),
        sums_({in_[0] * kWidth, padded(shape.out_channels)}) {
    conv_.safe_events = kRunEvents;
    epilogue_.channels = shape.out_channels;
    if (shape.precision != Precision::kF32)
      epilogue_.affine = Tensor({2, padded(shape.out_channels)}), epilogue_.pairs = 1;
    io_.real = {sums_.f32().data(), nullptr, &out_, in_[0] * kWidth, shape.out_channels, 0};
  }

  // Seconds of a call on these spikes; `dense_load` as in PackedConv.
  double time(ConvKernel event_conv, const Spikes& spikes, double dense_load) {
    io_.in[0] = {nullptr, const_cast<uint64_t*>(spikes.bits.data()), &in_, in_[0] * kWidth, in_[2],
                 0};
    conv_.dense_load = dense_load;
    const double start = seconds_now();
    event_conv(conv_, epilogue_, io_);
    return seconds_now() - start;
  }

 private:
  Shape in_, out_;
  PackedConv conv_;
  PackedEpilogue epilogue_;
  Tensor sums_;
  UnitIo io_;
};

// Where the line through the event kernel's times at two rates meets the dense kernel's time.
double meeting_rate(ConvKernel event_conv, const SumShape& shape) {
  const Spikes low = fire(shape, false), high = fire(shape, true);
  Layer layer(shape);
  double at_low = 1e9, at_high = 1e9, dense = 1e9;  // least seconds
  const double start = seconds_now();
  for (int round = 0; round < kRounds || seconds_now() - start < kSeconds; ++round) {
    at_low = std::min(at_low, layer.time(event_conv, low, PackedConv::kAllEvents));
    at_high = std::min(at_high, layer.time(event_conv, high, PackedConv::kAllEvents));
    dense = std::min(dense, layer.time(event_conv, high, PackedConv::kAllDense));
  }
  if (at_high <= at_low) return dense > at_low ? 1 : 0;  // a clock too coarse for the machine
  const double rate = low.rate + (dense - at_low) / (at_high - at_low) * (high.rate - low.rate);
  return std::clamp(kCaution * rate, 0.0, 1.0);
}

}  // namespace

BreakEven measure_break_even(ConvKernel event_conv) {
  BreakEven rates;
  std::transform(sum_shapes().begin(), sum_shapes().end(), rates.begin(),
                 [&](const SumShape& shape) { return meeting_rate(event_conv, shape); });
  return rates;
}

}  // namespace spikeloom::cpu
