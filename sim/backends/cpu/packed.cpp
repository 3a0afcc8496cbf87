#include "sim/backends/cpu/packed.hpp"

#include <algorithm>
#include <cmath>
#include <limits>

#include "core/error.hpp"
#include "core/ordered_math.hpp"

namespace spikeloom::cpu {
namespace {

Tensor padded_copy(std::span<const float> values) {
  Tensor result({padded(static_cast<int64_t>(values.size()))});
  std::copy(values.begin(), values.end(), result.f32().begin());
  return result;
}

Tensor padded_copy(const std::vector<double>& values) {
  Tensor result({padded(static_cast<int64_t>(values.size()))});
  std::transform(values.begin(), values.end(), result.f32().begin(),
                 [](double v) { return static_cast<float>(v); });
  return result;
}

Tensor constant(int64_t channels, float value) {
  Tensor result({padded(channels)});
  std::fill_n(result.f32().begin(), channels, value);
  return result;
}

// Of a square one.
Window window_of(const Conv2d& op, const Shape& in, const Shape& out) {
  const WindowAxis axis = op.along_y();
  if (axis == WindowAxis{}) {  // rows do not matter: one long one
    return {op.in_channels, op.out_channels, 1, 1, 0, 1, rows_of(in), 1, rows_of(in)};
  }
  return {op.in_channels, op.out_channels, axis.kernel, axis.stride, axis.before,
          in[0],          in[1],           out[0],      out[1]};
}

// Outputs per tile: sums of one output pixel stay in registers, the tile's weights in the fast
// caches.
int64_t tile_outputs(int64_t fan_in, DType dtype) {
  if (dtype == DType::kI16) return 128;
  if (dtype == DType::kI8) return 256;
  constexpr int64_t kL2Bytes = 640 * 1024;
  for (const int64_t outputs : {64, 32}) {
    if (fan_in * outputs * 4 <= kL2Bytes) return outputs;
  }
  return 16;
}

// How many of these whole numbers, given how often each occurs, always add up to at most `limit`.
int64_t count_fitting(std::span<const int64_t> occurrences, int64_t limit) {
  int64_t numbers = 0;
  for (auto value = std::ssize(occurrences) - 1; value > 0; --value) {
    const int64_t times = occurrences[static_cast<size_t>(value)];
    if (times * value > limit) return numbers + limit / value;
    numbers += times;
    limit -= times * value;
  }
  return std::numeric_limits<int64_t>::max();
}

// Of integer weights [outputs][row]: how many of one output always add up to a 16-bit number.
int64_t safe_events_of(std::span<const float> weights, int64_t row) {
  float largest = 0;
  for (const float weight : weights) largest = std::max(largest, std::abs(weight));
  std::vector<int64_t> positive(static_cast<size_t>(largest) + 1), negative(positive.size());
  int64_t safe = std::numeric_limits<int64_t>::max();
  for (auto at = weights.begin(); at != weights.end(); at += row) {
    std::fill(positive.begin(), positive.end(), 0);
    std::fill(negative.begin(), negative.end(), 0);
    for (const float weight : std::span(at, static_cast<size_t>(row)))
      ++(weight < 0 ? negative : positive)[static_cast<size_t>(std::abs(weight))];
    safe = std::min({safe, count_fitting(positive, 32767), count_fitting(negative, 32768)});
  }
  return std::max<int64_t>(safe, 1);
}

template <typename T, typename F>
void fill_tiles(PackedConv& conv, F weight) {
  const Window& window = conv.window;
  const int64_t outputs = padded(window.out_channels);
  T* to = conv.weights.as<T>().data();
  for (int64_t first = 0; first < outputs; first += conv.tile) {
    const int64_t width = conv.row_width(first);
    for (int64_t kx = 0; kx < window.kernel; ++kx) {
      for (int64_t ky = 0; ky < window.kernel; ++ky) {
        for (int64_t c = 0; c < window.in_channels; ++c) {
          for (int64_t i = 0; i < width; ++i) {
            const int64_t o = first + i;
            const T value = o < window.out_channels ? static_cast<T>(weight(o, kx, ky, c)) : T{0};
            if constexpr (std::is_same_v<T, int8_t>) {
              const PairPlace place = pair_place(width, i);
              to[place.byte] = static_cast<T>(static_cast<uint8_t>(value) ^ place.flipped);
            } else {
              to[i] = value;
            }
          }
          to += width;
        }
      }
    }
  }
}

// weight(o, kx, ky, c), whole numbers for an integer dtype, into tiles.
template <typename F>
PackedConv pack_conv(const Window& window, DType dtype, F weight) {
  PackedConv conv = zero_conv(window, dtype);
  if (dtype == DType::kI16) {
    fill_tiles<int16_t>(conv, weight);
  } else if (dtype == DType::kI8) {
    fill_tiles<int8_t>(conv, weight);
  } else {
    fill_tiles<float>(conv, weight);
  }
  return conv;
}

// What the kernel of a layer keeps its weights in.
DType kernel_dtype(const Graph& graph, const Node& node, const WeightTensor& stored) {
  const bool spikes = graph.node(node.inputs[0]).kind == EdgeKind::kSpikes;
  return spikes && stored.scale.size() > 0 ? stored.data.dtype() : DType::kF32;
}

template <typename T>
Tensor pack_taps(std::span<const float> weight, int64_t channels, DType dtype) {
  const int64_t taps = static_cast<int64_t>(weight.size()) / channels,
                kernel = std::lround(std::sqrt(static_cast<double>(taps)));
  Tensor packed({taps, (channels + 31) / 32 * 32}, dtype);
  for (int64_t tap = 0; tap < taps; ++tap) {
    T* row = packed.as<T>().data() + tap * packed.shape()[1];
    for (int64_t c = 0; c < channels; ++c) {
      const int64_t from = (c * kernel + tap % kernel) * kernel + tap / kernel;
      row[c] = static_cast<T>(weight[static_cast<size_t>(from)]);
    }
  }
  return packed;
}

// The weights of a layer as numbers: as they are stored, or a copy.
struct Numbers {
  const Tensor& stored;
  Tensor copy;

  std::span<const float> f32() const {
    return stored.dtype() == DType::kF32 ? stored.f32() : copy.f32();
  }
};

// Throws Error(kCapacity) where a sum of integer ones could leave the exact integers of fp32.
Numbers numbers_of(const Weights& weights, const std::string& name) {
  const WeightTensor& stored = weights.at(name);
  Numbers numbers{stored.data, {}};
  if (stored.data.dtype() != DType::kF32) numbers.copy = to_f32(stored.data);
  if (stored.scale.size() == 0) return numbers;
  const auto all = numbers.f32();
  const size_t row = all.size() / static_cast<size_t>(stored.scale.size());
  for (size_t at = 0; at < all.size(); at += row) {
    double most = 0;
    for (const float q : all.subspan(at, row)) most += std::abs(static_cast<double>(q));
    if (most > 0x1p24)
      throw Error(ErrorCode::kCapacity,
                  name + ": integer weights of an output add up to over 2^24");
  }
  return numbers;
}

// Whether, for integer weights, no sum over any set of inputs leaves 16 bits.
bool sums_fit_int16(std::span<const float> weight, int64_t channels) {
  const size_t row = weight.size() / static_cast<size_t>(channels);
  for (size_t at = 0; at < weight.size(); at += row) {
    double low = 0, high = 0;
    for (const float q : weight.subspan(at, row)) {
      (q < 0 ? low : high) += static_cast<double>(q);
    }
    if (low < std::numeric_limits<int16_t>::min() || high > std::numeric_limits<int16_t>::max())
      return false;
  }
  return true;
}

PackedGeneralConv pack_general(const Conv2d& op, const Shape& in, const Shape& out,
                               std::span<const float> weight) {
  PackedGeneralConv conv{op.in_channels, op.out_channels, op.groups, op.along_y(), op.along_x(),
                         in[0],          in[1],           out[0],    out[1],       {}};
  const int64_t group_in = op.in_channels / op.groups, outputs = padded(op.out_channels);
  conv.weights = Tensor({op.kernel.area() * group_in, outputs});
  float* to = conv.weights.f32().data();
  for (int64_t kx = 0; kx < op.kernel.x; ++kx) {
    for (int64_t ky = 0; ky < op.kernel.y; ++ky) {
      for (int64_t c = 0; c < group_in; ++c, to += outputs) {
        for (int64_t o = 0; o < op.out_channels; ++o) {
          const int64_t at = ((o * group_in + c) * op.kernel.y + ky) * op.kernel.x + kx;
          to[o] = weight[static_cast<size_t>(at)];
        }
      }
    }
  }
  return conv;
}

PackedMain pack_main(const Conv2d& op, const Graph& graph, const Node& node,
                     const Weights& weights) {
  const Node& in = graph.node(node.inputs[0]);
  const Numbers numbers = numbers_of(weights, op.weight);
  const auto weight = numbers.f32();
  const bool depthwise = op.groups == op.in_channels && op.groups == op.out_channels;
  if (!op.is_square() || (op.groups != 1 && !depthwise))
    return pack_general(op, in.shape, node.shape, weight);
  const Window window = window_of(op, in.shape, node.shape);
  const int64_t k = op.kernel.y;
  if (op.groups == 1) {
    const DType dtype = kernel_dtype(graph, node, weights.at(op.weight));
    PackedConv conv = pack_conv(window, dtype, [&](int64_t o, int64_t kx, int64_t ky, int64_t c) {
      return weight[static_cast<size_t>(((o * op.in_channels + c) * k + ky) * k + kx)];
    });
    if (dtype != DType::kF32) conv.safe_events = safe_events_of(weight, conv.fan_in());
    return conv;
  }
  const bool narrow = in.kind == EdgeKind::kSpikes && weights.at(op.weight).scale.size() > 0 &&
                      sums_fit_int16(weight, op.out_channels);
  return PackedDepthwise{window, narrow ? pack_taps<int16_t>(weight, op.groups, DType::kI16)
                                        : pack_taps<float>(weight, op.groups, DType::kF32)};
}

// weight(o, tap, c) into tiles.
template <typename F>
PackedConv1d pack_conv1d(int64_t in_channels, int64_t out_channels, int64_t left, int64_t kernel,
                         F weight) {
  PackedConv1d packed{in_channels, out_channels, left, kernel, {}};
  const int64_t outputs = padded(out_channels), inputs = padded(in_channels);
  packed.weights = Tensor({outputs, packed.fan_in()});
  float* to = packed.weights.f32().data();
  for (int64_t first = 0; first < outputs; first += kConv1dTile) {
    const int64_t width = std::min(kConv1dTile, outputs - first);
    for (int64_t i = 0; i < packed.fan_in(); ++i) {
      const int64_t tap = i / inputs, c = i % inputs;
      for (int64_t o = first; o < first + width; ++o, ++to) {
        if (o < out_channels && c < in_channels) *to = weight(o, tap, c);
      }
    }
  }
  return packed;
}

template <typename W>
PackedStream pack_stream(const Linear& op, const Tensor& stored) {
  PackedStream packed{op.in_features, op.out_features, {}};
  const int64_t outputs = padded(op.out_features);
  packed.weights = Tensor({outputs, op.in_features}, stored.dtype());
  const auto from = stored.as<W>();
  W* to = packed.weights.as<W>().data();
  for (int64_t first = 0; first < outputs; first += kStreamTile) {
    const int64_t width = std::min(kStreamTile, outputs - first);
    for (int64_t c = 0; c < op.in_features; ++c) {
      for (int64_t o = first; o < first + width; ++o, ++to) {
        if (o < op.out_features) *to = from[static_cast<size_t>(o * op.in_features + c)];
      }
    }
  }
  return packed;
}

// One row of spikes per step: steps share the passes over the weights as those of a Conv1d do.
PackedMain pack_main(const Linear& op, const Graph& graph, const Node& node,
                     const Weights& weights) {
  const Node& in = graph.node(node.inputs[0]);
  const int64_t rows = rows_of(node.shape);
  const Tensor& stored = weights.at(op.weight).data;
  if (rows == 1 && in.kind == EdgeKind::kReal) {
    if (stored.dtype() == DType::kI8) return pack_stream<int8_t>(op, stored);
    if (stored.dtype() == DType::kBF16) return pack_stream<uint16_t>(op, stored);
  }
  const Numbers numbers = numbers_of(weights, op.weight);
  const auto weight = numbers.f32();
  const auto at = [&](int64_t o, int64_t c) {
    return weight[static_cast<size_t>(o * op.in_features + c)];
  };
  if (rows == 1 && in.kind == EdgeKind::kSpikes && !in.is_static) {
    return pack_conv1d(op.in_features, op.out_features, 0, 1,
                       [&](int64_t o, int64_t, int64_t c) { return at(o, c); });
  }
  const DType dtype = kernel_dtype(graph, node, weights.at(op.weight));
  PackedConv conv = pack_conv({op.in_features, op.out_features, 1, 1, 0, 1, rows, 1, rows}, dtype,
                              [&](int64_t o, int64_t, int64_t, int64_t c) { return at(o, c); });
  if (dtype != DType::kF32) conv.safe_events = safe_events_of(weight, op.in_features);
  return conv;
}

PackedMain pack_main(const BatchNorm& op, const Graph& graph, const Node& node,
                     const Weights& weights) {
  const Shape& in = graph.node(node.inputs[0]).shape;
  const Affine affine = affine_of(op, weights);
  const int64_t width = in.size() == 3 ? in[1] : 1;
  return PackedNorm{padded_copy(affine.scale), padded_copy(affine.shift), rows_of(in) / width,
                    width, op.pad};
}

PackedMain pack_main(const Neuron& op, const Graph&, const Node& node, const Weights& weights) {
  if (simple_lif(op.spec)) return PackedCopy{};
  return PackedNeuron{
      op.spec, coefficients_of(op.spec, node.shape, padded(channels_of(node.shape)), weights)};
}
PackedMain pack_main(const Add&, const Graph&, const Node&, const Weights&) {
  return PackedAdd{};
}
// `one` for all channels where there is no array.
PackedNumbers pack_numbers(const std::string& array, const Weights& weights, const Shape& value,
                           float one) {
  const int64_t channels = channels_of(value);
  const Tensor stored = array.empty() ? Tensor() : to_f32(weights.at(array).data);
  const int64_t rows = array.empty() ? 1 : stored.size() / channels;
  PackedNumbers numbers{Tensor({rows, padded(channels)})};
  for (int64_t row = 0; row < rows; ++row) {
    float* to = numbers.table.f32().data() + row * padded(channels);
    if (array.empty()) {
      std::fill_n(to, channels, one);
    } else {
      std::copy_n(stored.f32().data() + row * channels, channels, to);
    }
  }
  return numbers;
}

PackedMain pack_main(const Scale& op, const Graph&, const Node& node, const Weights& weights) {
  return PackedScale{pack_numbers(op.factors, weights, node.shape, op.factor)};
}
PackedMain pack_main(const Activation& op, const Graph&, const Node&, const Weights&) {
  return PackedActivation{op.kind};
}
PackedMain pack_main(const SpatialMean&, const Graph&, const Node&, const Weights&) {
  return PackedSpatialMean{};
}
PackedMain pack_main(const StepMean& op, const Graph&, const Node&, const Weights&) {
  return PackedStepMean{op.mode};
}
PackedMain pack_main(const KtV& op, const Graph&, const Node&, const Weights&) {
  return PackedKtV{op.heads};
}
PackedMain pack_main(const QApply& op, const Graph&, const Node&, const Weights&) {
  return PackedQApply{op.heads, op.scale};
}
PackedMain pack_main(const SoftmaxAttention& op, const Graph&, const Node&, const Weights&) {
  return PackedSoftmax{op.heads, op.scale, op.context};
}
// Rows padded with zeros.
Tensor padded_table(const Weights& weights, const std::string& name, int64_t rows,
                    int64_t channels) {
  const float* from = weights.at(name).data.f32().data();
  Tensor table({rows, padded(channels)});
  for (int64_t row = 0; row < rows; ++row) {
    std::copy_n(from + row * channels, channels, table.f32().data() + row * padded(channels));
  }
  return table;
}

PackedMain pack_main(const Embedding& op, const Graph&, const Node&, const Weights& weights) {
  return PackedEmbedding{padded_table(weights, op.weight, op.vocabulary, op.channels)};
}
PackedMain pack_main(const Positions& op, const Graph&, const Node&, const Weights& weights) {
  return PackedPositions{padded_table(weights, op.weight, op.count, op.channels), op.along_steps};
}
PackedMain pack_main(const Prepend& op, const Graph&, const Node&, const Weights& weights) {
  return PackedPrepend{padded_table(weights, op.weight, 1, op.channels)};
}
PackedMain pack_main(const FirstRow&, const Graph&, const Node&, const Weights&) {
  return PackedFirstRow{};
}
PackedMain pack_main(const Pool2d& op, const Graph& graph, const Node& node, const Weights&) {
  const Shape &in = graph.node(node.inputs[0]).shape, &out = node.shape;
  return PackedPool{op, in[0], in[1], out[0], out[1]};
}
PackedMain pack_main(const Flatten&, const Graph&, const Node&, const Weights&) {
  return PackedFlatten{};
}
PackedMain pack_main(const Threshold& op, const Graph&, const Node& node, const Weights& weights) {
  return PackedThreshold{pack_numbers(op.thresholds, weights, node.shape, op.threshold), op.fire};
}
PackedMain pack_main(const LayerNorm& op, const Graph&, const Node&, const Weights& weights) {
  return PackedLayerNorm{op.channels, padded_copy(weights.at(op.prefix + ".weight").data.f32()),
                         padded_copy(weights.at(op.prefix + ".bias").data.f32()), op.eps};
}
PackedMain pack_main(const Delay& op, const Graph&, const Node&, const Weights& weights) {
  return PackedDelay{op.steps, steps_by_element(op, weights)};
}
PackedMain pack_main(const TokenMix& op, const Graph&, const Node&, const Weights& weights) {
  PackedTokenMix packed{padded_copy(weights.at(op.mix).data.f32()), {}};
  packed.rest = clone(packed.mix);
  for (float& m : packed.rest.f32()) m = 1.0f - m;
  return packed;
}
PackedMain pack_main(const Wkv& op, const Graph&, const Node&, const Weights& weights) {
  PackedWkv packed{padded_copy(weights.at(op.decay).data.f32()),
                   padded_copy(weights.at(op.first).data.f32())};
  for (float& w : packed.decay.f32()) w = -ordered_exp(w);
  return packed;
}
PackedMain pack_main(const Mul&, const Graph&, const Node&, const Weights&) {
  return PackedMul{};
}
PackedMain pack_main(const Conv1d& op, const Graph&, const Node&, const Weights& weights) {
  const Numbers numbers = numbers_of(weights, op.weight);
  const auto weight = numbers.f32();
  return pack_conv1d(
      op.in_channels, op.out_channels, op.left, op.kernel(),
      [&](int64_t o, int64_t tap, int64_t c) {
        return weight[static_cast<size_t>((o * op.in_channels + c) * op.kernel() + tap)];
      });
}

PackedMain pack_main(const LmuMemory& op, const Graph&, const Node&, const Weights&) {
  const auto system = lmu_system(op.order, op.theta);
  PackedLmu packed{op.form, op.order, op.taps, {}, {}};
  if (op.form == LmuForm::kFft) {
    packed.fft.emplace(*system, op.steps);
    return packed;
  }
  const bool event = op.form == LmuForm::kEvent;
  const int64_t rows = event ? op.taps : op.order + 1, floats = padded(op.order);
  packed.table = Tensor({floats, rows}, DType::kF64);
  double* to = packed.table.as<double>().data();
  for (int64_t first = 0; first < floats; first += kLmuTile) {
    const int64_t width = std::min(kLmuTile, floats - first);
    for (int64_t row = 0; row < rows; ++row) {
      for (int64_t i = first; i < first + width; ++i, ++to) {
        if (i >= op.order) continue;
        const auto at = static_cast<size_t>(event ? row * op.order + i : i * op.order + row);
        *to = event             ? system->h[at]
              : row == op.order ? system->b[static_cast<size_t>(i)]
                                : system->a[at];
      }
    }
  }
  return packed;
}

PackedMain pack_main(const Concat&, const Graph&, const Node& node, const Weights&) {
  return PackedConcat{node.kind == EdgeKind::kSpikes};
}

[[noreturn]] PackedMain never_run(const Node& node) {
  throw Error(ErrorCode::kInternal, node.name + ": " + describe(node.op) + " reached a backend");
}
PackedMain pack_main(const Input&, const Graph&, const Node& node, const Weights&) {
  return never_run(node);
}
PackedMain pack_main(const View&, const Graph&, const Node& node, const Weights&) {
  return never_run(node);
}
PackedMain pack_main(const Feedback&, const Graph&, const Node& node, const Weights&) {
  return never_run(node);
}
PackedMain pack_main(const RecordedOp&, const Graph&, const Node& node, const Weights&) {
  return never_run(node);
}

PackedEpilogue pack_epilogue(const Graph& graph, const Unit& unit, const Weights& weights) {
  PackedEpilogue result;
  const Node& main = graph.node(unit.main);
  result.channels = channels_of(main.shape);
  const std::string bias = bias_of(main.op), weight = weight_of(main.op);
  const Tensor none, &weight_scale = weight.empty() ? none : weights.at(weight).scale;
  std::vector<Tensor> rows;
  if (!bias.empty() || weight_scale.size() > 0) {
    rows.push_back(weight_scale.size() > 0 ? padded_copy(weight_scale.f32())
                                           : constant(result.channels, 1.0f));
    // No bias: x + -0 is x, whereas + 0 would turn -0 into 0.
    rows.push_back(!bias.empty() ? padded_copy(weights.at(bias).data.f32())
                                 : constant(result.channels, -0.0f));
  }
  if (unit.affine >= 0) {
    const auto& norm = std::get<BatchNorm>(graph.node(unit.affine).op);
    if (norm.pad > 0)
      throw Error(ErrorCode::kInternal,
                  main.name + ": a padding batch normalisation in an epilogue");
    const Affine affine = affine_of(norm, weights);
    rows.push_back(padded_copy(affine.scale));
    rows.push_back(padded_copy(affine.shift));
  }
  result.pairs = static_cast<int>(rows.size() / 2);
  result.affine = Tensor({static_cast<int64_t>(rows.size()), padded(result.channels)});
  float* to = result.affine.f32().data();
  for (const Tensor& row : rows) to = std::copy_n(row.f32().data(), row.size(), to);
  result.adds_other = unit.residual >= 0;
  const NodeId neuron = unit.neuron >= 0 ? unit.neuron : unit.main;
  const auto* op = std::get_if<Neuron>(&graph.node(neuron).op);
  if (const auto simple = op != nullptr ? simple_lif(op->spec) : std::nullopt) {
    result.fires = true;
    result.neuron = *simple;
  }
  return result;
}

}  // namespace

PackedConv zero_conv(const Window& window, DType dtype) {
  PackedConv conv{window, 0, Tensor({}, dtype), 0};
  const int64_t fan_in = conv.fan_in();
  // Event numbers are 32 bits wide and count the inputs of up to 64 neighbouring outputs.
  if ((64 * window.stride + window.kernel) * fan_in >= int64_t{1} << 31) {
    throw Error(ErrorCode::kCapacity, "64 outputs of the convolution see 2^31 inputs or more");
  }
  conv.tile = tile_outputs(fan_in, dtype);
  const int64_t last = (conv.tiles() - 1) * conv.tile;
  conv.weights = Tensor({last + conv.row_width(last), fan_in}, dtype);
  return conv;
}

PackedUnit pack(const Graph& graph, const Unit& unit, const Weights& weights) {
  const Node& node = graph.node(unit.main);
  return {pack_epilogue(graph, unit, weights),
          std::visit([&](const auto& op) { return pack_main(op, graph, node, weights); }, node.op)};
}

}  // namespace spikeloom::cpu
