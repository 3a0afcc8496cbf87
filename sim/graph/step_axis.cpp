#include "sim/graph/step_axis.hpp"

#include <algorithm>

#include "sim/graph/node_work.hpp"

namespace spikeloom {

namespace {

const Input* first_input(const Graph& graph) {
  for (const Node& node : graph.nodes())
    if (const auto* input = std::get_if<Input>(&node.op)) return input;
  return nullptr;
}

}  // namespace

bool steps_are_positions(const Graph& graph) {
  const Input* input = first_input(graph);
  return input != nullptr && !input->repeated && input->shape.size() == 1;
}

bool reads_tokens(const Graph& graph) {
  const Input* input = first_input(graph);
  return input != nullptr && input->vocabulary > 0;
}

bool is_dense_at_every_step(const Graph& graph) {
  return std::any_of(graph.nodes().begin(), graph.nodes().end(), [&](const Node& node) {
    if (node.is_static) return false;
    const StepWindow window =
        std::visit([](const Operator auto& op) { return op.window(); }, node.op);
    if (node.feedback >= 0 || window.left != 0 || window.right != 0) return true;
    if (state_of(node).empty()) return false;
    const NodeWork work = NodeRun(graph, node, uniform_run(1, 1), false).work();
    return !work.updates_neurons && work.elementwise.step_mean == 0;
  });
}

}  // namespace spikeloom
