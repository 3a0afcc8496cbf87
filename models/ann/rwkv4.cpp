#include "models/ann/rwkv4.hpp"

namespace spikeloom {

Graph build_rwkv4(const SpikeGptConfig& config) {
  SpikeGptConfig plain = config;
  plain.binary_embedding = false;
  plain.rescale_every = 0;
  const Graph spiking = build_spikegpt(plain);
  Graph graph;
  std::vector<NodeId> moved;
  for (const Node& node : spiking.nodes()) {
    std::vector<NodeId> inputs;
    for (const NodeId input : node.inputs) inputs.push_back(moved[static_cast<size_t>(input)]);
    moved.push_back(std::holds_alternative<Neuron>(node.op)
                        ? inputs[0]
                        : graph.add(node.name, node.op, std::move(inputs)));
  }
  for (const auto& [name, id] : spiking.outputs())
    graph.output(name, moved[static_cast<size_t>(id)]);
  return graph;
}

}  // namespace spikeloom
