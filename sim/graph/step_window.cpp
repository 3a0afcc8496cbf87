#include "sim/graph/step_window.hpp"

#include <algorithm>

namespace spikeloom {

std::vector<int64_t> delays_of(const Graph& graph) {
  std::vector<int64_t> delays;
  for (const Node& node : graph.nodes()) {
    int64_t delay = 0;
    for (const NodeId input : node.inputs)
      delay = std::max(delay, delays[static_cast<size_t>(input)]);
    delays.push_back(delay + window_of(node.op).right);
  }
  return delays;
}

int64_t look_ahead_of(const Graph& graph) {
  const auto delays = delays_of(graph);
  return *std::max_element(delays.begin(), delays.end());
}

std::vector<int64_t> histories_of(const Graph& graph, const std::vector<int64_t>& delays,
                                  const std::vector<bool>& aligned) {
  std::vector<int64_t> histories(graph.nodes().size(), 0);
  const int64_t look_ahead = *std::max_element(delays.begin(), delays.end());
  const auto keep = [&](NodeId id, int64_t steps) {
    int64_t& history = histories[static_cast<size_t>(source_of(graph, id))];
    if (!graph.node(id).is_static) history = std::max(history, steps);
  };
  for (NodeId id = 0; id < graph.size(); ++id) {
    const int64_t delay = delays[static_cast<size_t>(id)];
    for (const NodeId input : graph.node(id).inputs) {
      if (is_view(graph.node(id).op)) continue;
      keep(input, delay + window_of(graph.node(id).op).left - delays[static_cast<size_t>(input)]);
    }
    if (aligned[static_cast<size_t>(id)]) keep(id, look_ahead - delay);
  }
  return histories;
}

}  // namespace spikeloom
