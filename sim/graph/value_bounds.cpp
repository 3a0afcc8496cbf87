#include "sim/graph/value_bounds.hpp"

#include <algorithm>
#include <cmath>
#include <exception>
#include <limits>

#include "core/parallel.hpp"
#include "sim/graph/infer.hpp"

namespace spikeloom {
namespace {

// Of the values, and at least 0; NaN counts as infinity.
double largest_of(std::span<const float> values) {
  float most = 0;
  for (const float value : values) {
    if (!std::isfinite(value)) return std::numeric_limits<double>::infinity();
    most = std::max(most, std::abs(value));
  }
  return static_cast<double>(most);
}

// The largest sum of magnitudes of a row; eight sums side by side, which vectorises.
double largest_row_sum(std::span<const float> values, size_t row) {
  double most = 0;
  for (size_t at = 0; at < values.size(); at += row) {
    double lanes[8] = {}, sum = 0;
    size_t i = 0;
    for (; i + 8 <= row; i += 8) {
      for (size_t l = 0; l < 8; ++l) lanes[l] += static_cast<double>(std::abs(values[at + i + l]));
    }
    for (; i < row; ++i) sum += static_cast<double>(std::abs(values[at + i]));
    for (const double lane : lanes) sum += lane;
    if (!std::isfinite(sum)) return std::numeric_limits<double>::infinity();
    most = std::max(most, sum);
  }
  return most;
}

}  // namespace

double ArrayBounds::largest(const std::string& array) const {
  if (array.empty()) return 0;
  const double value = largest_of(weights_.at(array).data.f32());
  if (!std::isfinite(value)) not_finite(array);
  return value;
}

double ArrayBounds::largest_row_sum(const std::string& array) const {
  const Tensor& stored = weights_.at(array).data;
  const auto row = static_cast<size_t>(stored.size() / stored.shape()[0]);
  const double value = spikeloom::largest_row_sum(stored.f32(), row);
  if (!std::isfinite(value)) not_finite(array);
  return value;
}

std::vector<ValueGain> value_gains(const Graph& graph, const Weights& weights, int threads) {
  const ArrayBounds arrays(weights);
  std::vector<ValueGain> result(graph.nodes().size());
  std::vector<std::exception_ptr> failures(result.size());
  parallel_samples(graph.size(), threads, [&](int64_t id) {
    const auto at = static_cast<size_t>(id);
    try {
      result[at] = std::visit([&](const Operator auto& op) { return op.gain(arrays); },
                              graph.nodes()[at].op);
    } catch (...) {
      failures[at] = std::current_exception();
    }
  });
  for (const std::exception_ptr& failure : failures)
    if (failure) std::rethrow_exception(failure);
  return result;
}

std::vector<double> value_bounds(const Graph& graph, const std::vector<ValueGain>& gains,
                                 double input, int64_t steps) {
  std::vector<double> known, result;
  for (const Node& node : graph.nodes()) {
    std::vector<double> in;
    for (const NodeId id : node.inputs) in.push_back(known[static_cast<size_t>(id)]);
    const double rows =
        node.inputs.empty() ? 0 : static_cast<double>(rows_of(graph.node(node.inputs[0]).shape));
    const BoundInput read{in, input, rows, static_cast<double>(steps), gains[known.size()]};
    const ValueBound bound =
        std::visit([&](const Operator auto& op) { return op.bound(read); }, node.op);
    known.push_back(is_events(node.kind) ? static_cast<double>(node.levels.largest()) : bound.seen);
    result.push_back(bound.way);
  }
  return result;
}

double safe_input(const Graph& graph, const std::vector<ValueGain>& gains, int64_t steps) {
  // Half of what there is: the bounds are sums of products, rounded here and in fp32.
  constexpr double kRoom = static_cast<double>(std::numeric_limits<float>::max()) / 2;
  for (const double input : {1e30, 1e24, 1e18, 1e12, 1e9, 1e6, 1e3, 1.0}) {
    const auto bounds = value_bounds(graph, gains, input, steps);
    if (std::all_of(bounds.begin(), bounds.end(), [](double b) { return b < kRoom; })) return input;
  }
  return 0;
}

bool hides_values(const Graph& graph) {
  return std::any_of(graph.nodes().begin(), graph.nodes().end(), [](const Node& node) {
    return is_population(node) && !population_of(node.op)->is_input;
  });
}

}  // namespace spikeloom
