#include "sim/graph/value_bounds.hpp"

#include <algorithm>
#include <cmath>
#include <limits>

#include "core/error.hpp"
#include "sim/graph/lmu.hpp"

namespace spikeloom {
namespace {

[[noreturn]] void not_finite(const std::string& name) {
  throw Error(ErrorCode::kData, name + " leaves the range of fp32 (NaN or infinity)");
}

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

class Gains {
 public:
  explicit Gains(const Weights& weights) : weights_(weights) {}

  ValueGain of(const Op& op) const {
    if (const std::string name = weight_of(op); !name.empty()) {
      const Tensor& stored = weights_.at(name).data;
      const auto row = static_cast<size_t>(stored.size() / stored.shape()[0]);
      return {finite(name, largest_row_sum(stored.f32(), row)), magnitude(bias_of(op))};
    }
    if (const auto* norm = std::get_if<BatchNorm>(&op)) return of(*norm);
    if (const auto* norm = std::get_if<LayerNorm>(&op))
      return {std::sqrt(static_cast<double>(norm->channels)) * magnitude(norm->prefix + ".weight"),
              magnitude(norm->prefix + ".bias")};
    if (const auto* table = std::get_if<Embedding>(&op)) return {0, magnitude(table->weight)};
    if (const auto* table = std::get_if<Positions>(&op)) return {1, magnitude(table->weight)};
    if (const auto* row = std::get_if<Prepend>(&op)) return {1, magnitude(row->weight)};
    if (const auto* mix = std::get_if<TokenMix>(&op)) return {1 + 2 * magnitude(mix->mix), 0};
    if (const auto* wkv = std::get_if<Wkv>(&op)) {
      magnitude(wkv->decay);
      return {1, magnitude(wkv->first)};
    }
    if (const auto* memory = std::get_if<LmuMemory>(&op)) return of(*memory);
    return {};
  }

 private:
  double magnitude(const std::string& name) const {
    return name.empty() ? 0 : finite(name, largest_of(weights_.at(name).data.f32()));
  }
  static double finite(const std::string& name, double value) {
    if (!std::isfinite(value)) not_finite(name);
    return value;
  }

  ValueGain of(const BatchNorm& norm) const {
    const Affine affine = affine_of(norm, weights_);
    ValueGain gain{0, 0};
    for (size_t c = 0; c < affine.scale.size(); ++c) {
      for (const double value : {affine.scale[c], affine.shift[c]}) {
        if (!(std::abs(value) <= static_cast<double>(std::numeric_limits<float>::max())))
          not_finite(norm.prefix + ": what channel " + std::to_string(c) +
                     " is scaled by or shifted");
      }
      gain.gain = std::max(gain.gain, std::abs(affine.scale[c]));
      gain.offset = std::max(gain.offset, std::abs(affine.shift[c]));
    }
    return gain;
  }

  // Sum over the impulse response of each order, for an input of 1 at every step.
  static ValueGain of(const LmuMemory& memory) {
    const auto system = lmu_system(memory.order, memory.theta);
    std::vector<double> sums(static_cast<size_t>(memory.order));
    for (size_t i = 0; i < system->h.size(); ++i) sums[i % sums.size()] += std::abs(system->h[i]);
    return {2 * *std::max_element(sums.begin(), sums.end()), 0};  // 2: what fades is cut, rounded
  }

  const Weights& weights_;
};

// The bound of a node, its inputs' given.
class Bounds {
 public:
  Bounds(double input, int64_t steps) : input_(input), steps_(static_cast<double>(steps)) {}

  double of(const Graph& graph, const Node& node, const ValueGain& gain,
            const std::vector<double>& known) const {
    const auto in = [&](size_t i) { return known[static_cast<size_t>(node.inputs[i])]; };
    const auto rows = [&] {
      return static_cast<double>(rows_of(graph.node(node.inputs[0]).shape));
    };
    return std::visit(
        Overloaded{
            [&](const Input& op) {
              return op.vocabulary > 0 ? static_cast<double>(op.vocabulary) : input_;
            },
            [&](const Neuron& op) { return membrane(op.params, in(0)); },
            [&](const KtV&) { return rows(); },
            [&](const QApply&) { return static_cast<double>(int64_t{1} << 24); },
            [&](const Add&) { return in(0) + in(1); },
            [&](const Scale& op) { return in(0) * std::max(1.0, double{std::abs(op.factor)}); },
            [&](const SpatialMean&) { return in(0) * rows(); },
            [&](const StepMean&) { return in(0) * steps_; },
            [&](const Activation& op) {
              return op.kind == ActivationKind::kReluSquared ? in(0) * in(0) : in(0);
            },
            [&](const SoftmaxAttention&) {
              return std::max({in(0), in(1), in(2)});
            },
            [&](const LayerNorm& op) {  // the sum of squares on the way to a normalised value
              const double squares = 4 * in(0) * in(0) * static_cast<double>(op.channels);
              return std::max(squares, gain.gain + gain.offset);
            },
            [&](const TokenMix&) { return gain.gain * (in(0) + in(1)); },
            [&](const Wkv&) { return steps_ * in(1) + 2 * in(0) + gain.offset; },
            [&](const Mul&) { return in(0) * in(1); },
            [&](const Threshold&) { return in(0); },
            [&](const Concat&) {
              double most = 0;
              for (size_t i = 0; i < node.inputs.size(); ++i) most = std::max(most, in(i));
              return most;
            },
            [&](const auto&) { return gain.gain * in(0) + gain.offset; },
        },
        node.op);
  }

 private:
  // Without spikes the steps add up; a few times that on the way.
  double membrane(const NeuronParams& p, double x) const {
    return 4 * steps_ * (x + double{std::abs(p.v_threshold)} + double{std::abs(p.v_reset)});
  }

  double input_, steps_;
};

// What readers of a node see: of spikes 1, whatever it took to make them; of a mean or a
// normalisation less than the sums behind it.
double seen(const Node& node, const ValueGain& gain, const std::vector<double>& known,
            double bound) {
  if (node.kind == EdgeKind::kSpikes) return 1;
  if (std::holds_alternative<LayerNorm>(node.op)) return gain.gain + gain.offset;
  const auto in = [&](size_t i) { return known[static_cast<size_t>(node.inputs[i])]; };
  if (std::holds_alternative<Wkv>(node.op)) return in(1);
  if (std::holds_alternative<SpatialMean>(node.op) || std::holds_alternative<StepMean>(node.op))
    return in(0);
  if (const auto* scale = std::get_if<Scale>(&node.op))
    return in(0) * double{std::abs(scale->factor)};
  if (const auto* apply = std::get_if<QApply>(&node.op))
    return bound * double{std::abs(apply->scale)};
  const auto* activation = std::get_if<Activation>(&node.op);
  if (activation != nullptr && activation->kind == ActivationKind::kSigmoid) return 1;
  return bound;
}

}  // namespace

std::vector<ValueGain> value_gains(const Graph& graph, const Weights& weights) {
  const Gains gains(weights);
  std::vector<ValueGain> result;
  for (const Node& node : graph.nodes()) result.push_back(gains.of(node.op));
  return result;
}

std::vector<double> value_bounds(const Graph& graph, const std::vector<ValueGain>& gains,
                                 double input, int64_t steps) {
  const Bounds bounds(input, steps);
  std::vector<double> known, result;
  for (const Node& node : graph.nodes()) {
    const ValueGain& gain = gains[known.size()];
    const double bound = bounds.of(graph, node, gain, known);
    known.push_back(seen(node, gain, known, bound));
    result.push_back(bound);
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
    return std::holds_alternative<Neuron>(node.op) || std::holds_alternative<Threshold>(node.op);
  });
}

}  // namespace spikeloom
