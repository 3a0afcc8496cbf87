#include "sim/graph/round_weights.hpp"

#include <algorithm>
#include <cmath>

namespace spikeloom {
namespace {

double largest_of(int bits) {
  return std::ldexp(1.0, bits - 1) - 1;
}

// Rounds one channel in place; returns its step.
float round_channel(std::span<float> channel, int bits) {
  double largest = 0, sum = 0;
  for (const float w : channel) {
    largest = std::max(largest, std::abs(static_cast<double>(w)));
    sum += std::abs(static_cast<double>(w));
  }
  if (largest == 0) return 0;
  if (bits == 1) {
    const auto step = static_cast<float>(sum / static_cast<double>(channel.size()));
    for (float& w : channel) w = w >= 0 ? step : -step;
    return step;
  }
  const double step = largest / largest_of(bits);
  for (float& w : channel) {
    w = static_cast<float>(std::nearbyint(static_cast<double>(w) / step) * step);
  }
  return static_cast<float>(step);
}

// The step of which all weights of a layer are whole multiples already, as networks trained with few
// bits store them; 0: there is none.
float common_step(std::span<const float> weights, int bits) {
  constexpr double kRounding = 1e-6;  // of fp32, relative
  constexpr int kMost = 16;           // above, fp32 cannot tell multiples from their neighbours
  double largest = 0;
  for (const float w : weights) largest = std::max(largest, std::abs(static_cast<double>(w)));
  if (bits < 2 || bits > kMost || largest == 0) return 0;
  const double step = largest / largest_of(bits);
  const bool whole = std::all_of(weights.begin(), weights.end(), [&](float w) {
    const double steps = static_cast<double>(w) / step;
    return std::abs(steps - std::nearbyint(steps)) <= kRounding * std::max(1.0, std::abs(steps));
  });
  return whole ? static_cast<float>(step) : 0;
}

}  // namespace

RoundedWeights round_weights(const Graph& graph, const Weights& weights, int bits) {
  RoundedWeights result;
  for (const Node& node : graph.nodes()) {
    const std::string name = weight_of(node.op);
    if (name.empty() || result.weights.contains(name)) continue;
    const Tensor& stored = weights.at(name).data;
    Tensor rounded = clone(stored);
    const int64_t channels = stored.shape()[0];
    const auto row = static_cast<size_t>(stored.size() / channels);
    std::vector<float>& step = result.step[name];
    if (const float common = common_step(stored.f32(), bits); common > 0) {
      step.assign(static_cast<size_t>(channels), common);
      result.weights.add(name, std::move(rounded));
      continue;
    }
    for (size_t c = 0; c < static_cast<size_t>(channels); ++c) {
      step.push_back(round_channel(rounded.f32().subspan(c * row, row), bits));
    }
    result.weights.add(name, std::move(rounded));
  }
  for (const std::string& name : weights.names()) {
    if (!result.weights.contains(name)) result.weights.add(name, clone(weights.at(name).data));
  }
  return result;
}

AccumulatorLimits accumulator_limits(const Graph& graph, const RoundedWeights& rounded, int bits) {
  const double largest = largest_of(bits);
  AccumulatorLimits limits;
  for (NodeId id = 0; id < graph.size(); ++id) {
    const Node& node = graph.node(id);
    if (node.kind == EdgeKind::kCounts) limits[id] = {static_cast<float>(largest)};
    const std::string name = weight_of(node.op);
    if (name.empty() || graph.node(node.inputs[0]).kind != EdgeKind::kSpikes) continue;
    for (const float step : rounded.step.at(name)) {
      limits[id].push_back(static_cast<float>(largest * static_cast<double>(step)));
    }
  }
  return limits;
}

}  // namespace spikeloom
