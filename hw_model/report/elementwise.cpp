#include "hw_model/report/elementwise.hpp"

#include "sim/graph/step_axis.hpp"

namespace spikeloom {
namespace {

void add_node(const Graph& graph, const Node& node, const RunStatistics& run,
              ElementwiseCounts& sum) {
  const int64_t evaluations = run.evaluations;
  const int64_t out = element_count(node.shape) * evaluations;
  const auto in = [&] { return element_count(graph.node(node.inputs[0]).shape) * evaluations; };
  std::visit(Overloaded{
                 [&](const Input&) {},
                 [&](const Conv2d& op) { sum.bias_additions += op.bias.empty() ? 0 : out; },
                 [&](const Linear& op) { sum.bias_additions += op.bias.empty() ? 0 : out; },
                 [&](const BatchNorm&) { sum.batch_norm += out; },
                 [&](const Neuron&) {},  // counted by OpCounts
                 [&](const KtV&) {},     // priced as attention
                 [&](const QApply& op) { sum.scalings += op.scale == 1.0f ? 0 : out; },
                 [&](const Add&) { sum.residual_additions += out; },
                 [&](const Scale&) { sum.scalings += out; },
                 [&](const View&) {},
                 [&](const SpatialMean&) { sum.spatial_mean += in(); },
                 [&](const StepMean&) { sum.step_mean += in(); },
                 [&](const Activation& op) {
                   (op.kind == ActivationKind::kSigmoid ? sum.sigmoids : sum.activations) += out;
                 },
                 [&](const SoftmaxAttention& op) {
                   const int64_t tokens = rows_of(node.shape);
                   const int64_t scores =
                       op.heads * (op.context > 0 ? run.step_pairs : evaluations * tokens * tokens);
                   sum.softmax_exponentials += scores;
                   sum.softmax_divisions += scores;
                   sum.scalings += op.scale == 1.0f ? 0 : scores;
                 },
                 [&](const Embedding&) { sum.embedding_values += out; },
                 [&](const Threshold&) {
                   const bool is_mask = mask_of(graph, node.inputs[0]).has_value();
                   sum.comparisons += is_mask ? 0 : out;
                 },
                 [&](const LayerNorm&) {
                   sum.layer_norm_rows += rows_of(node.shape) * evaluations;
                   sum.layer_norm_elements += out;
                 },
                 [&](const Delay&) {},
                 [&](const TokenMix&) { sum.token_mix += out; },
                 [&](const Wkv&) { sum.wkv += out; },
                 [&](const Mul&) { sum.products += out; },
                 [&](const Conv1d& op) { sum.bias_additions += op.bias.empty() ? 0 : out; },
                 [&](const LmuMemory&) {},  // a layer
                 [&](const Concat&) {},
                 [&](const Positions&) { sum.bias_additions += out; },
                 [&](const Prepend&) {},
                 [&](const FirstRow&) {},
             },
             node.op);
}

// Elements of batch normalisations that no layer before them could take over.
int64_t unfoldable(const Graph& graph, int64_t evaluations) {
  const auto consumers = consumers_of(graph);
  int64_t sum = 0;
  for (const Node& node : graph.nodes()) {
    if (!std::holds_alternative<BatchNorm>(node.op)) continue;
    const NodeId from = node.inputs[0];
    const bool sole = consumers[static_cast<size_t>(from)].size() == 1;
    const Op& op = graph.node(from).op;
    const bool linear = std::holds_alternative<Linear>(op) || std::holds_alternative<Conv1d>(op) ||
                        std::holds_alternative<LmuMemory>(op);
    if (!sole || !linear) sum += element_count(node.shape) * evaluations;
  }
  return sum;
}

}  // namespace

ElementwiseCounts count_elementwise(const Graph& graph, const RunStatistics& run) {
  ElementwiseCounts sum;
  if (steps_are_positions(graph)) sum.batch_norm_unfoldable = unfoldable(graph, run.evaluations);
  for (const Node& node : graph.nodes()) add_node(graph, node, run, sum);
  return sum;
}

CountedGraph count_run(const Graph& graph, const RunStatistics& statistics, Precision precision) {
  return {count_operations(graph, statistics), count_elementwise(graph, statistics),
          count_syops(graph, statistics), std::nullopt, narrow_layers(graph, precision)};
}

CountedGraph count_dense_run(const Graph& graph, int64_t samples, int64_t steps) {
  return count_dense_run(graph, uniform_run(samples, steps));
}

CountedGraph count_dense_run(const Graph& graph, const RunStatistics& run) {
  return {count_dense(graph, run), count_elementwise(graph, run)};
}

}  // namespace spikeloom
