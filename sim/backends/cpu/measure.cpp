#include "sim/backends/cpu/measure.hpp"

#include <time.h>

#include <algorithm>
#include <bit>
#include <vector>

#include "core/rng.hpp"
#include "sim/graph/random_weights.hpp"

namespace spikeloom::cpu {
namespace {

constexpr int64_t kHeight = 8, kWidth = 16;  // of the maps, in pixels
constexpr int kRounds = 3;
constexpr uint64_t kSeed = 3;

// Processor time of this thread: other programs matter less.
double seconds_now() {
  timespec time;
  clock_gettime(CLOCK_THREAD_CPUTIME_ID, &time);
  return static_cast<double>(time.tv_sec) + 1e-9 * static_cast<double>(time.tv_nsec);
}

// A convolution that keeps the size of its map, on spikes.
class Layer {
 public:
  explicit Layer(const SumShape& shape) : channels_(shape.in_channels) {
    const NodeId in = graph_.add("in", Input{{kHeight, kWidth, channels_}, false});
    const NodeId spikes = graph_.add("spikes", Neuron{}, {in});
    Unit unit;
    unit.main = graph_.add(
        "sums",
        Conv2d{channels_, shape.out_channels, shape.kernel, 1, shape.kernel / 2, 1, "w", ""},
        {spikes});
    const Weights weights =
        quantize(graph_, random_weights(graph_, kSeed), shape.precision).weights;
    unit_ = pack(graph_, unit, weights);
    sums_ = Tensor({kHeight * kWidth, padded(shape.out_channels)});
    bits_.resize(static_cast<size_t>(kHeight * kWidth * words_for(channels_)));
    io_.in[0] = {nullptr, bits_.data(), &graph_.node(spikes).shape, kHeight * kWidth, channels_, 0};
    io_.real = {sums_.f32().data(), nullptr, &graph_.node(unit.main).shape, kHeight * kWidth,
                shape.out_channels, 0};
  }

  // Independent spikes: an input is set with probability 1/16 or 3/8. Returns the share of set
  // inputs.
  double fire(bool often) {
    const MutableSpikeView spikes = io_.in[0].bits_at(0);
    const auto random = [](int64_t word, uint64_t which) {
      return random_bits(kSeed, which, static_cast<uint64_t>(word));
    };
    int64_t events = 0;
    for (int64_t i = 0; i < spikes.rows * spikes.row_words(); ++i) {
      const uint64_t a = random(i, 0), b = random(i, 1), c = random(i, 2), d = random(i, 3);
      uint64_t bits = often ? a & (b | c) : a & b & c & d;
      const int64_t left = channels_ - i % spikes.row_words() * 64;
      if (left < 64) bits &= (uint64_t{1} << left) - 1;
      bits_[static_cast<size_t>(i)] = bits;
      events += std::popcount(bits);
    }
    return static_cast<double>(events) / static_cast<double>(spikes.rows * channels_);
  }

  // Least seconds of a call with groups whose inputs fire above `dense_rate` dense.
  double time(ConvKernel event_conv, double dense_rate) {
    auto& conv = std::get<PackedConv>(unit_.main);
    conv.dense_rate = dense_rate;
    double best = 1e9;
    for (int round = 0; round <= kRounds; ++round) {  // the first one warms up
      const double start = seconds_now();
      event_conv(conv, unit_.epilogue, io_);
      if (round > 0) best = std::min(best, seconds_now() - start);
    }
    return best;
  }

 private:
  int64_t channels_;
  Graph graph_;
  PackedUnit unit_;
  Tensor sums_;
  std::vector<uint64_t> bits_;
  UnitIo io_;
};

}  // namespace

BreakEven measure_break_even(ConvKernel event_conv) {
  constexpr double kEvents = 1, kDense = -1;
  BreakEven rates = usual_break_even();
  for (size_t i = 0; i < kSumShapes; ++i) {
    Layer layer(sum_shapes()[i]);
    const double low = layer.fire(false), at_low = layer.time(event_conv, kEvents);
    const double high = layer.fire(true), at_high = layer.time(event_conv, kEvents);
    const double dense = layer.time(event_conv, kDense);
    if (at_high <= at_low) continue;
    rates[i] = std::clamp(low + (dense - at_low) / (at_high - at_low) * (high - low), 0.0, 1.0);
  }
  return rates;
}

}  // namespace spikeloom::cpu
