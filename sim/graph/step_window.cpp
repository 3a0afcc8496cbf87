#include "sim/graph/step_window.hpp"

#include <algorithm>

#include "core/error.hpp"

namespace spikeloom {

std::vector<int64_t> delays_of(const Graph& graph) {
  std::vector<int64_t> delays(graph.nodes().size(), 0);
  // A feedback is as late as what it shows; each round takes that once around its loop.
  int64_t rounds = 1;
  for (const Node& node : graph.nodes()) rounds += node.feedback >= 0;
  for (bool changed = true; changed; --rounds) {
    changed = false;
    for (NodeId id = 0; id < graph.size(); ++id) {
      const Node& node = graph.node(id);
      int64_t delay = node.feedback >= 0 ? delays[static_cast<size_t>(node.feedback)] : 0;
      for (const NodeId input : node.inputs)
        delay = std::max(delay, delays[static_cast<size_t>(input)]);
      delay += window_of(node.op).right;
      if (delay == delays[static_cast<size_t>(id)]) continue;
      if (rounds < 0)
        throw Error(ErrorCode::kUsage, node.name + ": looks ahead inside a loop of feedback");
      delays[static_cast<size_t>(id)] = delay;
      changed = true;
    }
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
  // What a feedback shows is kept one step longer; it may show another feedback.
  for (bool changed = true; changed;) {
    changed = false;
    for (NodeId id = 0; id < graph.size(); ++id) {
      const Node& node = graph.node(id);
      if (node.feedback < 0) continue;
      int64_t& shown = histories[static_cast<size_t>(source_of(graph, node.feedback))];
      const int64_t wanted = histories[static_cast<size_t>(id)] + 1;
      changed = changed || shown < wanted;
      shown = std::max(shown, wanted);
    }
  }
  return histories;
}

}  // namespace spikeloom
