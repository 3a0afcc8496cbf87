#pragma once
// What prepare() keeps of a unit: weights in kernel layout, everything a kernel needs besides the
// values themselves. Immutable. Real arrays over channels are padded with zeros to
// padded(channels).

#include <algorithm>
#include <limits>
#include <optional>
#include <variant>

#include "core/tensor.hpp"
#include "core/weights.hpp"
#include "neurons/simple_lif.hpp"
#include "sim/backends/lmu_fft.hpp"
#include "sim/plan/backend.hpp"

namespace spikeloom::cpu {

// What follows the main sum of an output: * weight scale (of integer weights), + bias, * scale,
// + shift, each rounded; + other; neuron; each optional. Factors and addends come in pairs, (weight
// scale, bias) and (scale, shift): [pairs][2][padded(channels)]. Half of a pair that is absent
// changes no bit: * 1, + -0.
struct PackedEpilogue {
  int64_t channels = 0;
  int pairs = 0;  // 0 to 2
  Tensor affine;
  bool adds_other = false;
  bool fires = false;
  SimpleLif neuron;
};

// A row of int8 weights is cut in units of up to 64. The weights of output i of the first half of a
// unit and of output i of the second half are neighbours, the first one plus 128: as a 16-bit
// number they are 256 * second + (first + 128), and sums of such numbers and of their upper bytes
// hold the sums of both without a byte ever being extended.
constexpr int64_t pair_unit(int64_t width) noexcept {
  return std::min<int64_t>(width, 64);
}
struct PairPlace {
  int64_t byte;     // of the row
  uint8_t flipped;  // bits of the weight that are stored inverted: + 128 inverts the uppermost
};
constexpr PairPlace pair_place(int64_t width, int64_t output) noexcept {
  const int64_t unit = pair_unit(width), i = output % unit;
  return i < unit / 2 ? PairPlace{output + i, 0x80} : PairPlace{output + i - unit + 1, 0};
}

// Geometry of a convolution. Linear and 1x1 convolutions of stride 1 see their rows as one row of
// pixels.
struct Window {
  int64_t in_channels = 0, out_channels = 0;
  int64_t kernel = 1, stride = 1, padding = 0;
  int64_t in_height = 0, in_width = 0, out_height = 0, out_width = 0;
};

// groups = 1. Weights (fp32, or int16 or int8 for spikes) in tiles of `tile` outputs, the last one
// narrower: the tile of outputs from o on starts at o * fan_in() and holds [kx][ky][channel][width
// of its rows], zeros behind the last output. Rows of int8 are made of pairs, see pair_place().
struct PackedConv {
  Window window;
  int64_t tile = 64;
  Tensor weights;
  int64_t safe_events = 0;  // integers: the sum of any so many weights of an output fits 16 bits
  // Spikes: events per input, each counted 1 + rate times, above which sums are dense; kAllEvents:
  // never, kAllDense: always.
  static constexpr double kAllEvents = std::numeric_limits<double>::infinity(), kAllDense = -1;
  double dense_load = 0;
  int64_t fan_in() const noexcept { return window.kernel * window.kernel * window.in_channels; }
  int64_t tiles() const noexcept { return (padded(window.out_channels) + tile - 1) / tile; }
  // Outputs of the tile from o on, and weights per row of it: kernels of integers know three
  // widths.
  int64_t outputs_at(int64_t o) const noexcept {
    return std::min(tile, padded(window.out_channels) - o);
  }
  int64_t row_width(int64_t o) const noexcept {
    const int64_t outputs = outputs_at(o);
    if (weights.dtype() == DType::kF32) return outputs;
    return outputs <= 32 ? 32 : outputs <= 64 ? 64 : outputs <= 128 ? 128 : 256;
  }
};

// groups = channels, one output each.
struct PackedDepthwise {
  Window window;
  // [kx][ky][channels, padded with zeros to a multiple of 32]; int16 where weights are integers,
  // the operand is spikes and no sum leaves 16 bits, else fp32.
  Tensor taps;
  int64_t tap_stride() const noexcept { return taps.shape()[1]; }
};

// Any other convolution: other groupings, windows that are not square, dilated ones. Weights
// [kx][ky][channel of a group][padded outputs].
struct PackedGeneralConv {
  int64_t in_channels = 0, out_channels = 0, groups = 1;
  WindowAxis along_y, along_x;
  int64_t in_height = 0, in_width = 0, out_height = 0, out_width = 0;
  Tensor weights;
};

struct PackedNorm {
  Tensor scale, shift;
  int64_t in_height = 0, in_width = 0, pad = 0;
};

struct PackedCopy {};  // a simple neuron as main node: the input goes straight to the epilogue

// Any other neuron, always a main node; its spikes are no business of the epilogue.
struct PackedNeuron {
  NeuronSpec spec;
  NeuronCoefficients coefficients;
};
struct PackedAdd {};
// Numbers for all elements, [1][padded channels], or for each, [rows][padded channels].
struct PackedNumbers {
  Tensor table;
  const float* row(int64_t row) const {
    return table.f32().data() + (table.shape()[0] == 1 ? 0 : row * table.shape()[1]);
  }
};
struct PackedScale {
  PackedNumbers factors;
};
struct PackedActivation {
  ActivationKind kind = ActivationKind::kRelu;
};
struct PackedSpatialMean {};
struct PackedStepMean {
  StepMode mode = StepMode::kMean;
};
struct PackedKtV {
  int64_t heads = 1;
};
struct PackedQApply {
  int64_t heads = 1;
  float scale = 1;
};
struct PackedSoftmax {
  int64_t heads = 1;
  float scale = 1;
  int64_t context = 0;
};
struct PackedEmbedding {
  Tensor table;  // [vocabulary][padded channels]
};
struct PackedThreshold {
  PackedNumbers thresholds;
  FireRule fire = FireRule::kAtThreshold;
};
struct PackedLayerNorm {
  int64_t channels = 0;
  Tensor scale, shift;
  float eps = 1e-5f;
};
struct PackedDelay {
  int64_t steps = 1;
  std::vector<int64_t> by_element;  // empty: `steps` for all
};
struct PackedTokenMix {
  Tensor mix, rest;  // m and 1 - m
};
struct PackedWkv {
  Tensor decay, first;  // w and u
};
struct PackedMul {};

struct PackedPositions {
  Tensor table;  // [positions][padded channels]
  bool along_steps = false;
};
struct PackedPrepend {
  Tensor row;
};
struct PackedFirstRow {};
struct PackedFlatten {};
struct PackedPool {
  Pool2d op;
  int64_t in_height = 0, in_width = 0, out_height = 0, out_width = 0;
};

struct PackedConcat {
  bool spikes = false;
};

// Weights in tiles of 64 outputs, the last one narrower (a multiple of 16): the tile of outputs
// from o on starts at o * kernel * padded(in_channels) and holds [tap][padded channel][its width].
constexpr int64_t kConv1dTile = 64;
struct PackedConv1d {
  int64_t in_channels = 0, out_channels = 0, left = 0, kernel = 1;
  Tensor weights;
  int64_t fan_in() const noexcept { return kernel * padded(in_channels); }
};

// Linear with one row of real numbers per step and weights of one or two bytes (kI8, kBF16), in
// tiles of 128 outputs, the last one narrower (a multiple of 16): the tile of outputs from o on
// starts at o * in_channels and holds [channel][its width].
constexpr int64_t kStreamTile = 128;
struct PackedStream {
  int64_t in_channels = 0, out_channels = 0;
  Tensor weights;
};

// Rows of a double table of padded(order) columns, whose sums, weighted by what is known, are the
// memory. In tiles of 64 columns, the last one narrower (a multiple of 16): the tile from column c
// on starts at c * rows and holds [row][its width].
constexpr int64_t kLmuTile = 64;
struct PackedLmu {
  LmuForm form = LmuForm::kEvent;
  int64_t order = 0;
  int64_t taps =
      0;  // kEvent: row k is H[:,k]; kRecurrent: row j is column j of A, row `order` is B
  Tensor table;
  std::optional<LmuFft> fft;
};

using PackedMain =
    std::variant<PackedConv, PackedDepthwise, PackedGeneralConv, PackedNorm, PackedCopy, PackedAdd,
                 PackedScale, PackedActivation, PackedSpatialMean, PackedStepMean, PackedKtV,
                 PackedQApply, PackedSoftmax, PackedEmbedding, PackedThreshold, PackedLayerNorm,
                 PackedDelay, PackedTokenMix, PackedWkv, PackedMul, PackedConcat, PackedConv1d,
                 PackedLmu, PackedPositions, PackedPrepend, PackedFirstRow, PackedStream,
                 PackedNeuron, PackedPool, PackedFlatten>;

struct PackedUnit {
  PackedEpilogue epilogue;
  PackedMain main;
};

// Kernel layout with zeros for weights. Throws Error(kCapacity) as pack().
PackedConv zero_conv(const Window& window, DType dtype);

// Throws Error(kInternal) for a unit no backend should see, Error(kCapacity) for a window beyond
// 32-bit event ids.
PackedUnit pack(const Graph& graph, const Unit& unit, const Weights& weights);

}  // namespace spikeloom::cpu
