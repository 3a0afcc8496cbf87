#include "sim/graph/step_axis.hpp"

namespace spikeloom {

bool steps_are_positions(const Graph& graph) {
  for (const Node& node : graph.nodes()) {
    const auto* input = std::get_if<Input>(&node.op);
    if (input != nullptr) return !input->repeated && input->shape.size() == 1;
  }
  return false;
}

}  // namespace spikeloom
