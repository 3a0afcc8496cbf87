#pragma once
// Which kernel adds up the spikes of a convolution (groups = 1) or Linear layer: the event kernel,
// whose time is a + b * events, or the dense one, whose time is constant. Both give the same bits.
//
// The firing rate where they meet depends on machine, precision, kernel, fan-in and outputs. It is
// known at the corners of a table, sum_shapes(), and in between interpolated along the logarithms
// of fan-in and outputs. event_conv() counts the events of each group of outputs against it.

#include <array>
#include <cstdint>
#include <span>

#include "sim/graph/quantize.hpp"

namespace spikeloom {

// Counts changes of the kernels: rates measured with others are measured again.
constexpr int kSumKernels = 6;

enum class SumPath { kCheapest, kEvents, kDense };

// Rows of the layers without a window that are measured.
constexpr int64_t kMeasuredRows = 1024;

// One corner: a layer whose rate is measured.
struct SumShape {
  Precision precision;
  int64_t kernel, in_channels, out_channels;
};
constexpr size_t kSumShapes = 36;
std::span<const SumShape, kSumShapes> sum_shapes() noexcept;

// Firing rate above which the dense kernel is faster, per corner: 0 to 1.
using BreakEven = std::array<double, kSumShapes>;

// Where nothing was measured: what a Zen 5 server CPU showed, the same for all shapes of a
// precision.
BreakEven usual_break_even() noexcept;

// `fan_in`: kernel * kernel * in_channels.
double break_even_rate(const BreakEven& rates, Precision precision, int64_t kernel, int64_t fan_in,
                       int64_t out_channels) noexcept;

struct SumChoice {
  SumPath path = SumPath::kCheapest;
  BreakEven rates = usual_break_even();
};

}  // namespace spikeloom
