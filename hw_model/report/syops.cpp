#include "hw_model/report/syops.hpp"

#include <fmt/format.h>

#include <map>

namespace spikeloom {
namespace {

class Counter {
 public:
  Counter(const Graph& graph, const RunStatistics& run) : graph_(graph), run_(run) {}

  // `operations` on the value that `node` reads: AC by its rate where it is spikes, else MAC.
  void count(const Node& node, int64_t operations, const std::string& text) {
    const Node& from = graph_.node(node.inputs[0]);
    const auto total = static_cast<double>(operations);
    if (from.kind != EdgeKind::kSpikes) {
      lines.push_back({node.name, text + ", real input", false, total});
      return;
    }
    const int64_t elements = element_count(from.shape) * run_.evaluations,
                  events = events_of(node.inputs[0]);
    const double rate =
        elements > 0 ? static_cast<double>(events) / static_cast<double>(elements) : 0;
    lines.push_back({node.name, fmt::format("{} x input rate {} / {}", text, events, elements),
                     true, rate * total});
  }

  // Spikes a value shows: of a population, or of several behind a Concat.
  int64_t events_of(NodeId id) const {
    const Node& node = graph_.node(source_of(graph_, id));
    if (!std::holds_alternative<Concat>(node.op)) return run_.populations.at(node.name).events;
    int64_t sum = 0;
    for (const NodeId input : node.inputs) sum += events_of(input);
    return sum;
  }

  void count_node(const Node& node) {
    const int64_t steps = run_.evaluations;
    const auto in = [&] { return element_count(graph_.node(node.inputs[0]).shape); };
    const int64_t out = element_count(node.shape);
    if (const auto* conv = std::get_if<Conv2d>(&node.op)) {
      const int64_t taps = conv->in_channels / conv->groups * conv->kernel * conv->kernel;
      count(node, steps * out * (taps + !conv->bias.empty()), "convolution");
    } else if (const auto* along = std::get_if<Conv1d>(&node.op)) {
      const int64_t taps = along->in_channels * along->kernel();
      count(node, steps * out * (taps + !along->bias.empty()), "convolution");
    } else if (const auto* linear = std::get_if<Linear>(&node.op)) {
      // A convolution of kernel 1 has its bias at every position, a matrix once per call.
      const bool bias = !linear->bias.empty();
      const int64_t biases = linear->trailing_ones > 0 ? steps * out * bias
                                                       : run_.samples * linear->out_features * bias;
      count(node, steps * out * linear->in_features + biases, "linear");
    } else if (std::holds_alternative<BatchNorm>(node.op)) {
      count(node, steps * 2 * in(), "batch normalisation");
    } else if (std::holds_alternative<Neuron>(node.op)) {
      lines.push_back({node.name, "neurons", true, static_cast<double>(steps * out)});
    }
  }

  std::vector<SyopsLine> lines;

 private:
  const Graph& graph_;
  const RunStatistics& run_;
};

}  // namespace

std::vector<SyopsLine> count_syops(const Graph& graph, const RunStatistics& statistics) {
  Counter counter(graph, statistics);
  for (const Node& node : graph.nodes()) counter.count_node(node);
  return std::move(counter.lines);
}

}  // namespace spikeloom
