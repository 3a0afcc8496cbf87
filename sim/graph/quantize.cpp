#include "sim/graph/quantize.hpp"

#include <algorithm>
#include <cmath>
#include <functional>
#include <iterator>
#include <limits>
#include <numeric>
#include <set>

#include "core/error.hpp"

namespace spikeloom {

DType dtype_in(const Graph& graph, const Node& node, Precision precision) {
  const EdgeKind operand = graph.node(node.inputs[0]).kind;
  const bool streams = operand == EdgeKind::kReal && rows_of(node.shape) == 1;
  switch (precision) {
    case Precision::kF32: break;
    case Precision::kAcc16: return operand == EdgeKind::kSpikes ? DType::kI16 : DType::kF32;
    case Precision::kInt8:
      return operand == EdgeKind::kSpikes || streams ? DType::kI8 : DType::kF32;
    case Precision::kBF16: return streams ? DType::kBF16 : DType::kF32;
  }
  return DType::kF32;
}

namespace {

// Type of every layer's array; fp32 where readers of one array disagree.
std::map<std::string, DType> dtypes_of(const Graph& graph, Precision precision) {
  std::map<std::string, DType> result;
  for (const Node& node : graph.nodes()) {
    for (const Parameter& parameter : parameters_of(node.op)) {
      const DType dtype =
          parameter.name == weight_of(node.op) ? dtype_in(graph, node, precision) : DType::kF32;
      const auto [at, fresh] = result.emplace(parameter.name, dtype);
      if (!fresh && at->second != dtype) at->second = DType::kF32;
    }
  }
  return result;
}

// Largest sum of `count` values of one sign.
double largest_sum(std::span<const float> channel, int64_t count) {
  std::vector<float> sorted(channel.begin(), channel.end());
  std::sort(sorted.begin(), sorted.end());
  double low = 0, high = 0;
  const int64_t n = std::min(count, static_cast<int64_t>(sorted.size()));
  for (int64_t i = 0; i < n; ++i) {
    low -= std::min(0.0, static_cast<double>(sorted[static_cast<size_t>(i)]));
    high += std::max(0.0, static_cast<double>(sorted[sorted.size() - 1 - static_cast<size_t>(i)]));
  }
  return std::max(low, high);
}

double step_of(std::span<const float> channel, DType dtype) {
  double largest = 0;
  for (const float w : channel) largest = std::max(largest, std::abs(static_cast<double>(w)));
  if (dtype == DType::kI8) return largest / 127;
  // Rounding moves each of the summands by half a step at most.
  const auto summands = std::min(kRunEvents, static_cast<int64_t>(channel.size()));
  return largest_sum(channel, kRunEvents) / (32767 - static_cast<double>(summands) / 2);
}

double to_step(float w, double step, double largest) {
  if (step == 0) return 0;
  return std::clamp(std::nearbyint(static_cast<double>(w) / step), -largest, largest);
}

// Expected squared error of the sum of one channel; rate(i) of its i-th weight.
double expected_error(std::span<const float> channel, double step, double largest,
                      const std::function<double(size_t)>& rate) {
  double variance = 0, mean = 0;
  for (size_t i = 0; i < channel.size(); ++i) {
    const double e = to_step(channel[i], step, largest) * step - static_cast<double>(channel[i]);
    variance += rate(i) * (1 - rate(i)) * e * e;
    mean += rate(i) * e;
  }
  return variance + mean * mean;
}

// Clipping the few largest weights of a channel makes all other steps finer.
double best_step(std::span<const float> channel, double step, double largest,
                 const std::function<double(size_t)>& rate) {
  constexpr double kShares[] = {1.0, 0.95, 0.9, 0.85, 0.8, 0.75, 0.7, 0.65, 0.6};
  double best = step, least = std::numeric_limits<double>::infinity();
  for (const double share : kShares) {
    const double error = expected_error(channel, share * step, largest, rate);
    if (error < least) {
      least = error;
      best = share * step;
    }
  }
  return best;
}

struct Rounded {
  WeightTensor tensor;
  double relative_error = 0;
  double bits = 0;
};

template <typename Int>
Rounded to_integers(const Tensor& stored, DType dtype, std::span<const float> rates) {
  const int64_t channels = stored.shape()[0];
  const auto row = static_cast<size_t>(stored.size() / channels);
  Rounded result{{Tensor(stored.shape(), dtype), Tensor({channels})}};
  const auto to = result.tensor.data.as<Int>();
  const double largest = std::numeric_limits<Int>::max();
  if (!rates.empty() && row % rates.size() != 0) rates = {};  // grouped: each output sees its own
  const size_t taps = rates.empty() ? 1 : row / rates.size();
  const auto rate = [&](size_t i) { return static_cast<double>(rates[i / taps]); };
  double error = 0, power = 0, bits = 0;
  int64_t used = 0;
  for (size_t c = 0; c < static_cast<size_t>(channels); ++c) {
    const auto channel = stored.f32().subspan(c * row, row);
    double step = step_of(channel, dtype);
    // A finer step of 16-bit weights would break the promise about their sums.
    if (!rates.empty() && dtype == DType::kI8) step = best_step(channel, step, largest, rate);
    const auto scale = static_cast<float>(step);
    result.tensor.scale.f32()[c] = scale;
    double most = 0;
    for (size_t i = 0; i < row; ++i) {
      const double q = to_step(channel[i], static_cast<double>(scale), largest);
      to[c * row + i] = static_cast<Int>(q);
      most = std::max(most, std::abs(q));
      const double e = q * static_cast<double>(scale) - static_cast<double>(channel[i]);
      error += e * e;
      power += static_cast<double>(channel[i]) * static_cast<double>(channel[i]);
    }
    bits += std::log2(2 * most + 1);
    used += most > 0;
  }
  result.relative_error = power > 0 ? std::sqrt(error / power) : 0;
  result.bits = used > 0 ? bits / static_cast<double>(used) : 0;
  return result;
}

Rounded to_bf16(const Tensor& stored) {
  Rounded result{{Tensor(stored.shape(), DType::kBF16), {}}};
  const auto to = result.tensor.data.as<uint16_t>();
  double error = 0, power = 0;
  for (size_t i = 0; i < to.size(); ++i) {
    const float w = stored.f32()[i];
    to[i] = float_to_bfloat16(w);
    const auto exact = static_cast<double>(w);
    const double e = static_cast<double>(bfloat16_to_float(to[i])) - exact;
    error += e * e;
    power += exact * exact;
  }
  result.relative_error = power > 0 ? std::sqrt(error / power) : 0;
  return result;
}

Rounded round_to(const Tensor& stored, DType dtype, std::span<const float> rates) {
  if (stored.dtype() != DType::kF32)
    throw Error(ErrorCode::kInternal, "only fp32 weights can be quantised");
  if (dtype == DType::kBF16) return to_bf16(stored);
  if (dtype == DType::kI16) return to_integers<int16_t>(stored, dtype, rates);
  return to_integers<int8_t>(stored, dtype, rates);
}

}  // namespace

std::string_view name_of(Precision precision) noexcept {
  return kPrecisionNames[static_cast<size_t>(precision)];
}

Precision precision_named(std::string_view name) {
  if (name == kPrecisionOfThePast.name)
    throw Error(ErrorCode::kUsage, std::string(kPrecisionOfThePast.reason));
  const auto* at = std::find(std::begin(kPrecisionNames), std::end(kPrecisionNames), name);
  if (at == std::end(kPrecisionNames)) {
    throw Error(ErrorCode::kUsage,
                "precision '" + std::string(name) + "'; choose one of fp32, acc16, int8, bf16");
  }
  return static_cast<Precision>(at - std::begin(kPrecisionNames));
}

std::map<std::string, DType> narrow_layers(const Graph& graph, Precision precision) {
  const auto dtypes = dtypes_of(graph, precision);
  std::map<std::string, DType> narrow;
  for (const Node& node : graph.nodes()) {
    const std::string name = weight_of(node.op);
    if (name.empty() || dtypes.at(name) == DType::kF32) continue;
    narrow.emplace(node.name, dtypes.at(name));
  }
  return narrow;
}

QuantizedWeights quantize(const Graph& graph, Weights weights, Precision precision,
                          const InputRates& rates) {
  const auto dtypes = dtypes_of(graph, precision);
  QuantizedWeights result{std::move(weights), {}};
  std::set<std::string> seen;
  for (NodeId id = 0; id < graph.size(); ++id) {
    const std::string name = weight_of(graph.node(id).op);
    if (name.empty() || !seen.insert(name).second) continue;
    const DType dtype = dtypes.at(name);
    if (dtype == DType::kF32) continue;
    const auto known = rates.find(id);
    const bool spikes = graph.node(graph.node(id).inputs[0]).kind == EdgeKind::kSpikes;
    Rounded rounded =
        round_to(result.weights.at(name).data, dtype,
                 spikes && known != rates.end() ? known->second : std::span<const float>());
    result.weights.erase(name);
    result.weights.add(name, std::move(rounded.tensor.data), std::move(rounded.tensor.scale));
    result.layers.push_back({graph.node(id).name, dtype, rounded.relative_error, rounded.bits});
  }
  return result;
}

}  // namespace spikeloom
