#include "sim/counts/syops.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <map>

namespace spikeloom {
namespace {

class Counter {
 public:
  Counter(const Graph& graph, const RunStatistics& run)
      : graph_(graph),
        run_(run),
        by_step_(std::any_of(graph.nodes().begin(), graph.nodes().end(),
                             [](const Node& node) { return node.feedback >= 0; })) {}

  // `operations` on the value that `node` reads: AC by its rate where it is spikes, else MAC.
  void count(const Node& node, int64_t operations, const std::string& text) {
    const Node& from = graph_.node(node.inputs[0]);
    const auto total = static_cast<double>(operations);
    if (from.kind != EdgeKind::kSpikes) {
      lines.push_back({node.name, text + ", real input", false, total});
      return;
    }
    const int64_t elements = element_count(from.shape) * run_.evaluations,
                  events = spikes_of(run_, graph_, node.inputs[0]).events;
    const double rate =
        elements > 0 ? static_cast<double>(events) / static_cast<double>(elements) : 0;
    lines.push_back({node.name, fmt::format("{} x input rate {} / {}", text, events, elements),
                     true, rate * total});
  }

  void count_node(const Node& node) {
    const int64_t steps = run_.evaluations;
    const auto in = [&] { return element_count(graph_.node(node.inputs[0]).shape); };
    const int64_t out = element_count(node.shape);
    if (is_layer(node.op)) {
      const Layer layer = layer_of(node.op);
      // A matrix has its bias once per call, a convolution, of kernel 1 too, at every position.
      const auto* linear = std::get_if<Linear>(&node.op);
      const bool once = linear != nullptr && linear->trailing_ones == 0;
      const int64_t biases = layer.bias.empty()  ? 0
                             : once && !by_step_ ? run_.samples * layer.outputs
                                                 : steps * out;
      count(node, steps * out * layer.inputs * layer.taps + biases,
            linear != nullptr ? "linear" : "convolution");
    } else if (std::holds_alternative<BatchNorm>(node.op)) {
      count(node, steps * 2 * in(), "batch normalisation");
    } else if (std::holds_alternative<Neuron>(node.op)) {
      lines.push_back({node.name, "neurons", true, static_cast<double>(steps * out)});
    } else if (const auto* pool = std::get_if<Pool2d>(&node.op);
               pool != nullptr && pool->mode != PoolMode::kSum) {
      count(node, steps * in(), "pooling");
    }
    // Of any other operator the tool knows no count.
  }

  std::vector<SyopsLine> lines;

 private:
  const Graph& graph_;
  const RunStatistics& run_;
  const bool
      by_step_;  // what a layer reads hangs on the step before: programs call layers step by step
};

}  // namespace

std::vector<SyopsLine> count_syops(const Graph& graph, const RunStatistics& statistics) {
  Counter counter(graph, statistics);
  for (const Node& node : graph.nodes()) counter.count_node(node);
  return std::move(counter.lines);
}

}  // namespace spikeloom
