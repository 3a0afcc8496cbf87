#include "hw_model/chip/op_rules.hpp"

#include <algorithm>
#include <optional>

namespace spikeloom {
namespace {

using enum ChipRole;

constexpr const char* kNoUnit = "no unit of a core computes it";

ChipRule left_to_host() {
  return {kHost, kNoUnit};
}
ChipRule is_free(bool free = true) {
  return free ? ChipRule{kFree, kNoUnit} : left_to_host();
}

Synapses window(const WindowAxis& y, const WindowAxis& x, int64_t groups) {
  return ConvSynapses{y.kernel, x.kernel, y.stride, x.stride, y.before, x.before, groups};
}

ChipRule along_the_steps(int64_t taps, const char* obstacle) {
  ChipRule rule{kSynapses, obstacle};
  rule.reads_all = true;
  rule.synapses = [taps](const ChipPopulation&, const ChipPopulation&) {
    return DenseSynapses{taps};
  };
  return rule;
}

ChipLevels pooled(const Pool2d& op, const Shape& from, const Shape& to, const ChipLevels& in) {
  ChipLevels out;
  for (int64_t at = 0; at < element_count(to); ++at) {
    const int64_t c = at % to[2], x = at / to[2] % to[1], y = at / to[2] / to[1];
    std::optional<int32_t> most;
    int32_t sum = 0;
    for (int64_t i = 0; i < op.kernel.area(); ++i) {
      const int64_t iy = y * op.stride.y - op.padding.y + i / op.kernel.x;
      const int64_t ix = x * op.stride.x - op.padding.x + i % op.kernel.x;
      if (iy < 0 || iy >= from[0] || ix < 0 || ix >= from[1]) continue;
      const int32_t level = in[static_cast<size_t>((iy * from[1] + ix) * from[2] + c)];
      sum += level;
      most = std::max(most.value_or(level), level);
    }
    out.push_back(op.mode == PoolMode::kMax ? most.value_or(0) : sum);
  }
  return out;
}

// Pixel by pixel to channel by channel.
ChipLevels flattened(const Shape& from, const ChipLevels& in) {
  const auto channels = static_cast<size_t>(channels_of(from));
  const size_t rows = in.size() / channels;
  ChipLevels out(in.size());
  for (size_t i = 0; i < in.size(); ++i) out[i % channels * rows + i / channels] = in[i];
  return out;
}

ChipLevels summed(const std::vector<ChipLevels>& in) {
  ChipLevels out = in[0];
  for (size_t i = 0; i < out.size(); ++i) out[i] += in[1][i];
  return out;
}

// The chip's.
struct ChipRules {
  const Node& node;

  ChipRule operator()(const Conv2d& op) const {
    ChipRule rule{kSynapses, ""};
    const WindowAxis y = op.along_y(), x = op.along_x();
    if (y.dilation > 1 || x.dilation > 1) {
      rule.obstacle = "no unit of a core walks a dilated kernel";
    } else if (y.before != y.after || x.before != x.after) {
      rule.obstacle = "it pads more behind the map than in front of it";
    }
    rule.over_map = true;
    rule.synapses = [&op](const ChipPopulation&, const ChipPopulation&) {
      return window(op.along_y(), op.along_x(), op.groups);
    };
    return rule;
  }
  ChipRule operator()(const Linear&) const {
    ChipRule rule{kSynapses, ""};
    rule.reads_all = node.shape.size() == 1;
    rule.synapses = [](const ChipPopulation& from, const ChipPopulation& to) {
      const bool by_row = from.positions() > 1 && to.positions() > 1;
      return by_row ? Synapses(ConvSynapses{}) : Synapses(DenseSynapses{});
    };
    return rule;
  }
  ChipRule operator()(const Conv1d& op) const { return along_the_steps(op.kernel(), ""); }
  ChipRule operator()(const LmuMemory& op) const {
    const bool has_synapses = op.form == LmuForm::kEvent;
    return along_the_steps(
        op.taps, has_synapses ? "" : "only the event form of the memory consists of synapses");
  }
  ChipRule operator()(const Pool2d& op) const {
    ChipRule rule{kSynapses, ""};
    if (op.mode == PoolMode::kMax)
      rule.obstacle = "no unit of a core finds the largest of several values";
    rule.over_map = true;
    rule.synapses = [&op](const ChipPopulation& from, const ChipPopulation&) {
      return window(op.along_y(), op.along_x(), from.channels);
    };
    rule.follows = [&op, &to = node.shape](const Shape& from, const std::vector<ChipLevels>& in) {
      return pooled(op, from, to, in[0]);
    };
    return rule;
  }
  ChipRule operator()(const SpatialMean&) const {
    ChipRule rule{kSynapses, ""};
    rule.synapses = [](const ChipPopulation& from, const ChipPopulation& to) {
      return ConvSynapses{.kernel_y = from.height, .kernel_x = from.width, .groups = to.channels};
    };
    return rule;
  }
  ChipRule operator()(const KtV& op) const {
    ChipRule rule{kProducts, kNoUnit};
    rule.heads = op.heads;
    return rule;
  }
  ChipRule operator()(const QApply& op) const {
    ChipRule rule{kAttention, ""};
    rule.heads = op.heads;
    return rule;
  }
  ChipRule operator()(const BatchNorm& op) const {
    ChipRule rule = is_free(op.pad == 0);
    rule.multiplies = true;
    return rule;
  }
  ChipRule operator()(const Input&) const { return {kInput, ""}; }
  ChipRule operator()(const Add&) const {
    ChipRule rule{kSum, ""};
    rule.follows = [](const Shape&, const std::vector<ChipLevels>& in) { return summed(in); };
    return rule;
  }
  ChipRule operator()(const Scale& op) const { return is_free(op.shape.size() < 2); }
  ChipRule operator()(const View&) const { return is_free(); }
  ChipRule operator()(const Positions&) const { return is_free(); }
  ChipRule operator()(const StepMean&) const { return {kStepMean, kNoUnit}; }
  ChipRule operator()(const Concat&) const { return {kParts, kNoUnit}; }
  ChipRule operator()(const Flatten&) const {
    ChipRule rule{kMoved, kNoUnit};
    rule.follows = [](const Shape& from, const std::vector<ChipLevels>& in) {
      return flattened(from, in[0]);
    };
    return rule;
  }
  ChipRule operator()(const Neuron& op) const {
    ChipRule rule{kNeurons, kNoUnit};
    rule.integrates = !op.spec.fires();
    return rule;
  }
  ChipRule operator()(const Delay& op) const {
    ChipRule rule{kNeurons, kNoUnit};
    rule.shows_earlier = true;
    rule.delay = op.steps;
    rule.delays = op.by_element;
    return rule;
  }
  ChipRule operator()(const Feedback&) const {
    ChipRule rule{kNeurons, kNoUnit};
    rule.shows_earlier = true;
    return rule;
  }
  ChipRule operator()(const Threshold&) const { return {kMask, kNoUnit}; }
  ChipRule operator()(const Activation&) const { return left_to_host(); }
  ChipRule operator()(const SoftmaxAttention&) const { return left_to_host(); }
  ChipRule operator()(const Embedding&) const { return left_to_host(); }
  ChipRule operator()(const LayerNorm&) const { return left_to_host(); }
  ChipRule operator()(const TokenMix&) const { return left_to_host(); }
  ChipRule operator()(const Wkv&) const { return left_to_host(); }
  ChipRule operator()(const Mul&) const { return left_to_host(); }
  ChipRule operator()(const Prepend&) const { return left_to_host(); }
  ChipRule operator()(const FirstRow&) const { return left_to_host(); }
  // Its spikes are sent like those of neurons; how they came about, nobody on the chip knows.
  ChipRule operator()(const RecordedOp& op) const {
    const bool sends = op.neurons || op.spikes || op.has_levels();
    return sends && !op.moves ? ChipRule{kNeurons, kNoUnit} : left_to_host();
  }
};

// The array's.
struct DenseRules {
  const Graph& graph;
  const Node& node;
  const DensePass& pass;

  DenseRule operator()(const Conv2d& op) const {
    return weighted({rows_of(node.shape) * pass.evaluations,
                     op.kernel.area() * (op.in_channels / op.groups), op.out_channels / op.groups,
                     op.groups});
  }
  DenseRule operator()(const Linear& op) const {
    return weighted({rows_of(node.shape) * pass.evaluations, op.in_features, op.out_features});
  }
  DenseRule operator()(const Conv1d& op) const {
    return weighted({pass.evaluations, op.kernel() * op.in_channels, op.out_channels});
  }
  DenseRule operator()(const LmuMemory& op) const {
    if (op.form != LmuForm::kRecurrent)
      return weighted({pass.evaluations, std::min(op.taps, pass.steps), op.order});
    DenseRule rule = weighted({pass.batch, op.order + 1, op.order, pass.steps});
    rule.products[0].second = (op.order + 1) * op.order;  // the same at every step
    return rule;
  }
  DenseRule operator()(const KtV& op) const {
    const Shape& keys = shape_of_input();
    const int64_t d = channels_of(keys) / op.heads;
    return {{{"", {d, rows_of(keys), d, op.heads * pass.evaluations}, false}}, "", 0};
  }
  DenseRule operator()(const QApply& op) const {
    const Shape& queries = shape_of_input();
    const int64_t d = channels_of(queries) / op.heads;
    return {{{"", {rows_of(queries), d, d, op.heads * pass.evaluations}, false}}, "", 0};
  }
  DenseRule operator()(const SoftmaxAttention& op) const {
    const int64_t d = channels_of(node.shape) / op.heads;
    const bool causal = op.context > 0;
    const int64_t queries = causal ? pass.steps : rows_of(node.shape);
    const int64_t keys = causal ? std::min(op.context, pass.steps) : queries;
    const int64_t repeats = op.heads * (causal ? pass.batch : pass.evaluations);
    return {
        {{".qk", {queries, d, keys, repeats}, false}, {".av", {queries, keys, d, repeats}, false}},
        "softmax",
        queries * keys * repeats};
  }
  // Nothing to compute.
  DenseRule operator()(const Input&) const { return {}; }
  DenseRule operator()(const View&) const { return {}; }
  DenseRule operator()(const Concat&) const { return {}; }
  DenseRule operator()(const Delay&) const { return {}; }
  DenseRule operator()(const Prepend&) const { return {}; }
  DenseRule operator()(const FirstRow&) const { return {}; }
  DenseRule operator()(const Feedback&) const { return {}; }
  DenseRule operator()(const Flatten&) const { return {}; }
  DenseRule operator()(const BatchNorm&) const { return one_each(); }
  DenseRule operator()(const Neuron&) const { return one_each(); }
  DenseRule operator()(const Add&) const { return one_each(); }
  DenseRule operator()(const Scale&) const { return one_each(); }
  DenseRule operator()(const SpatialMean&) const { return one_each(); }
  DenseRule operator()(const StepMean&) const { return one_each(); }
  DenseRule operator()(const Activation&) const { return one_each(); }
  DenseRule operator()(const Embedding&) const { return one_each(); }
  DenseRule operator()(const Threshold&) const { return one_each(); }
  DenseRule operator()(const LayerNorm&) const { return one_each(); }
  DenseRule operator()(const TokenMix&) const { return one_each(); }
  DenseRule operator()(const Wkv&) const { return one_each(); }
  DenseRule operator()(const Mul&) const { return one_each(); }
  DenseRule operator()(const Positions&) const { return one_each(); }
  DenseRule operator()(const Pool2d&) const { return one_each(); }
  DenseRule operator()(const RecordedOp& op) const {
    if (op.moves) return {};
    if (op.macs == 0) return one_each();
    const int64_t outputs = element_count(node.shape);
    const Gemm gemm{rows_of(node.shape) * pass.evaluations, (op.macs + outputs - 1) / outputs,
                    channels_of(node.shape)};
    return {{{"", gemm, op.weights > 0}}, "", 0};
  }

 private:
  DenseRule one_each() const { return {{}, "", element_count(node.shape) * pass.evaluations}; }
  static DenseRule weighted(const Gemm& gemm) { return {{{"", gemm}}, "", 0}; }
  const Shape& shape_of_input() const { return graph.node(node.inputs[0]).shape; }
};

}  // namespace

ChipRule chip_rule(const Node& node) {
  return std::visit(ChipRules{node}, node.op);
}

DenseRule dense_rule(const Graph& graph, const Node& node, const DensePass& pass) {
  return std::visit(DenseRules{graph, node, pass}, node.op);
}

}  // namespace spikeloom
