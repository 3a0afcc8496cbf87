#include "sim/counts/elementwise.hpp"

#include "sim/graph/step_axis.hpp"

namespace spikeloom {
namespace {

// Elements of batch normalisations that no layer before them could take over.
int64_t unfoldable(const Graph& graph, int64_t evaluations) {
  const auto consumers = consumers_of(graph);
  int64_t sum = 0;
  for (const Node& node : graph.nodes()) {
    if (NodeRun(graph, node, uniform_run(1, 1), false).work().elementwise.batch_norm == 0) continue;
    const NodeId from = node.inputs[0];
    const bool sole = consumers[static_cast<size_t>(from)].size() == 1;
    const bool linear =
        NodeRun(graph, graph.node(from), uniform_run(1, 1), false).work().layer.has_value();
    if (!sole || !linear) sum += element_count(node.shape) * evaluations;
  }
  return sum;
}

}  // namespace

ElementwiseCounts count_elementwise(const Graph& graph, const RunStatistics& run) {
  ElementwiseCounts sum;
  if (steps_are_positions(graph)) sum.batch_norm_unfoldable = unfoldable(graph, run.evaluations);
  for (const Node& node : graph.nodes()) sum += NodeRun(graph, node, run, false).work().elementwise;
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
