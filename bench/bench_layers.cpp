#include "bench/bench_layers.hpp"

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <iterator>

#include "core/error.hpp"
#include "core/io/hint.hpp"
#include "core/rng.hpp"
#include "core/spike_tensor.hpp"
#include "sim/graph/lmu.hpp"
#include "sim/plan/backend.hpp"

namespace spikeloom {
namespace {

constexpr uint64_t kSeed = 1;
constexpr int64_t kMost = int64_t{1} << 20;  // of any extent

// The numbers of "784x360x1440" or "128x512@28": digits with one separator between them, the last
// of which is '@' when `at` is set. Empty when the text is anything else.
std::vector<int64_t> extents(std::string_view text, size_t count, bool at) {
  std::vector<int64_t> numbers;
  size_t begin = 0;
  for (size_t i = 0; i < count; ++i) {
    const bool last = i + 1 == count;
    const char behind = at && i + 2 == count ? '@' : 'x';
    const size_t end = last ? text.size() : text.find(behind, begin);
    if (end == text.npos || end == begin || end - begin > 7) return {};
    int64_t number = 0;
    for (const char c : text.substr(begin, end - begin)) {
      if (c < '0' || c > '9') return {};
      number = 10 * number + (c - '0');
    }
    if (number < 1 || number > kMost) return {};
    numbers.push_back(number);
    begin = end + 1;
  }
  return numbers;
}

struct Form {
  std::string_view prefix;
  BenchLayerKind kind;
  size_t count;  // numbers behind the prefix
  bool at;       // the last one behind '@'
  int64_t kernel;
  bool real;
};

constexpr Form kForms[] = {
    {"linear:", BenchLayerKind::kLinear, 3, false, 1, false},
    {"real-linear:", BenchLayerKind::kLinear, 3, false, 1, true},
    {"conv1x1:", BenchLayerKind::kConv, 3, true, 1, false},
    {"real-conv1x1:", BenchLayerKind::kConv, 3, true, 1, true},
    {"conv3x3:", BenchLayerKind::kConv, 3, true, 3, false},
    {"depthwise7x7:", BenchLayerKind::kConv, 2, true, 7, false},
    {"attention:", BenchLayerKind::kAttention, 3, false, 1, false},
    {"lif:", BenchLayerKind::kLif, 2, false, 1, true},
    {"lmu:", BenchLayerKind::kLmu, 2, true, 1, false},
};

BenchLayer make_layer(const std::string& name, const Form& form, const std::vector<int64_t>& n) {
  BenchLayer layer{.name = name, .kind = form.kind, .real = form.real, .kernel = form.kernel};
  switch (form.kind) {
    case BenchLayerKind::kLinear: layer.rows = n[0], layer.in = n[1], layer.out = n[2]; break;
    case BenchLayerKind::kConv:
      layer.in = n[0], layer.out = form.count == 2 ? n[0] : n[1], layer.size = n.back();
      layer.groups = form.count == 2 ? n[0] : 1;
      break;
    case BenchLayerKind::kAttention:
      layer.rows = n[0], layer.heads = n[1], layer.in = layer.out = n[1] * n[2];
      break;
    case BenchLayerKind::kLif: layer.rows = n[0], layer.in = layer.out = n[1]; break;
    case BenchLayerKind::kLmu: layer.in = 1, layer.out = n[0], layer.sequence = n[1]; break;
  }
  return layer;
}

double uniform(uint64_t stream, uint64_t index) {
  return static_cast<double>(random_uniform(kSeed, stream, index));
}

// A normal number (Box and Muller, 1958).
float normal(uint64_t stream, uint64_t index) {
  const double u = 1.0 - uniform(stream, 2 * index), v = uniform(stream, 2 * index + 1);
  return static_cast<float>(std::sqrt(-2 * std::log(u)) * std::cos(2 * M_PI * v));
}

// Outputs along one axis that an input at `at` reaches.
int64_t reach(int64_t at, const BenchLayer& layer) {
  const int64_t pad = layer.kernel / 2;
  return std::min(at + pad, layer.size - 1) - std::max<int64_t>(at - pad, 0) + 1;
}

// Products a single non-zero element of the operand takes part in.
int64_t products(const BenchLayer& layer, int64_t row, int64_t step, int64_t steps) {
  switch (layer.kind) {
    case BenchLayerKind::kLinear: return layer.out;
    case BenchLayerKind::kConv:
      return reach(row / layer.size, layer) * reach(row % layer.size, layer) * layer.out /
             layer.groups;
    case BenchLayerKind::kLmu:
      return layer.out * std::min(steps - step, std::get<LmuMemory>(ops_of(layer)[0]).taps);
    case BenchLayerKind::kAttention:
    case BenchLayerKind::kLif: break;
  }
  return 0;
}

LayerOperand make_operand(const BenchLayer& layer, const Shape& shape, int64_t steps, double rate,
                          Pattern pattern, uint64_t stream) {
  LayerOperand to{shape, rows_of(shape), channels_of(shape), 0, {}, {}};
  if (layer.kind == BenchLayerKind::kLmu) to.history = std::get<LmuMemory>(ops_of(layer)[0]).taps;
  const int64_t all = to.history + steps, words = words_for(to.channels);
  to.real = Tensor({all * to.rows, padded(to.channels)});
  if (!layer.real) to.bits.resize(static_cast<size_t>(all * to.rows * words));
  uint64_t index = 0;
  for (int64_t line = to.history * to.rows; line < all * to.rows; ++line) {
    const auto row = static_cast<uint64_t>(line % to.rows);
    float* values = to.real.f32().data() + line * padded(to.channels);
    for (int64_t c = 0; c < to.channels; ++c, ++index) {
      if (layer.real) {
        values[c] = normal(stream, index);
        continue;
      }
      const uint64_t draw = pattern == Pattern::kIndependent ? index
                            : pattern == Pattern::kRows      ? row
                                                             : static_cast<uint64_t>(c);
      if (uniform(stream, draw) >= rate) continue;
      values[c] = 1.0f;
      to.bits[static_cast<size_t>(line * words + c / 64)] |= uint64_t{1} << (c % 64);
    }
  }
  return to;
}

// Coincidences of K and V within a head, and what Q's spikes gather of them.
int64_t attention_additions(const BenchLayer& layer, const LayerData& data) {
  const int64_t width = layer.in / layer.heads;
  int64_t sum = 0;
  const auto in_head = [&](const LayerOperand& operand, int64_t line, int64_t head) {
    const float* row = operand.real.f32().data() + line * padded(layer.in) + head * width;
    return static_cast<int64_t>(std::count(row, row + width, 1.0f));
  };
  for (int64_t line = 0; line < data.steps * layer.rows; ++line) {
    for (int64_t head = 0; head < layer.heads; ++head) {
      sum += in_head(data.operands[0], line, head) * in_head(data.operands[1], line, head) +
             in_head(data.operands[2], line, head) * width;
    }
  }
  return sum;
}

}  // namespace

std::vector<std::string> default_layers() {
  return {"linear:784x360x1440",
          "linear:784x360x360",
          "linear:128x256x512",
          "linear:784x1440x360",
          "conv3x3:128x512@28",
          "conv3x3:32x128@112",
          "conv3x3:256x256@14",
          "conv1x1:64x128@56",
          "conv1x1:360x360@14",
          "depthwise7x7:128@56",
          "attention:196x8x45",
          "attention:196x8x64",
          "lif:16x1440",
          "lif:784x1440",
          "lmu:512@128",
          "real-linear:784x360x1440",
          "real-conv1x1:256x128@28"};
}

BenchLayer parse_layer(const std::string& name) {
  for (const Form& form : kForms) {
    if (!name.starts_with(form.prefix)) continue;
    const auto numbers =
        extents(std::string_view(name).substr(form.prefix.size()), form.count, form.at);
    if (!numbers.empty()) return make_layer(name, form, numbers);
  }
  throw Error(ErrorCode::kUsage, "--layer: no layer " + in_quotes(name) + "; examples: " +
                                     default_layers()[0] + ", " + default_layers()[4] +
                                     ", depthwise7x7:128@56, "
                                     "attention:196x8x45, lif:784x1440, lmu:512@128, "
                                     "real-linear:784x360x1440");
}

std::vector<Op> ops_of(const BenchLayer& layer) {
  switch (layer.kind) {
    case BenchLayerKind::kLinear: return {Linear{layer.in, layer.out, 0, "w", ""}};
    case BenchLayerKind::kConv:
      return {
          Conv2d{layer.in, layer.out, layer.kernel, 1, layer.kernel / 2, layer.groups, "w", ""}};
    case BenchLayerKind::kAttention: return {KtV{layer.heads}, QApply{layer.heads, 1.0f}};
    case BenchLayerKind::kLif: return {Neuron{}};
    case BenchLayerKind::kLmu: break;
  }
  const auto theta = static_cast<double>(layer.sequence);
  return {LmuMemory{layer.out, theta, LmuForm::kEvent, lmu_system(layer.out, theta)->taps,
                    layer.sequence, "memory"}};
}

std::vector<Shape> operands_of(const BenchLayer& layer) {
  if (layer.kind == BenchLayerKind::kConv) return {{layer.size, layer.size, layer.in}};
  if (layer.kind == BenchLayerKind::kLmu) return {{1}};
  const Shape tokens = {layer.rows, layer.in};
  if (layer.kind == BenchLayerKind::kAttention) return {tokens, tokens, tokens};
  return {tokens};
}

std::string_view name_of(Pattern pattern) {
  constexpr std::string_view kNames[] = {"independent", "whole rows", "whole channels"};
  return kNames[static_cast<size_t>(pattern)];
}

LayerData make_data(const BenchLayer& layer, int64_t steps, double rate, Pattern pattern) {
  LayerData data;
  data.steps = steps;
  int64_t elements = 0;
  for (const Shape& shape : operands_of(layer)) {
    data.operands.push_back(make_operand(layer, shape, steps, rate, pattern, data.operands.size()));
    const LayerOperand& operand = data.operands.back();
    elements += steps * operand.rows * operand.channels;
    for (int64_t step = 0; step < steps; ++step) {
      for (int64_t row = 0; row < operand.rows; ++row) {
        const int64_t line = (operand.history + step) * operand.rows + row;
        const float* values = operand.real.f32().data() + line * padded(operand.channels);
        const auto set = operand.channels - std::count(values, values + operand.channels, 0.0f);
        const int64_t each = products(layer, row, step, steps);
        data.spikes += set;
        data.additions += set * each;
        data.macs += operand.channels * each;
      }
    }
  }
  const int64_t outputs =
      layer.kind == BenchLayerKind::kConv ? layer.size * layer.size : layer.rows;
  data.neuron_steps = steps * outputs * layer.out;
  data.rate = static_cast<double>(data.spikes) / static_cast<double>(elements);
  if (layer.kind == BenchLayerKind::kAttention) {
    data.additions = attention_additions(layer, data);
    data.macs = 2 * steps * layer.rows * layer.in * (layer.in / layer.heads);
  }
  return data;
}

}  // namespace spikeloom
