#include "models/ann/rwkv4.hpp"

#include "models/families.hpp"

namespace spikeloom {

SpikeGptConfig rwkv4_of(SpikeGptConfig config) {
  config.binary_embedding = false;
  config.rescale_every = 0;
  return config;
}

Graph without_neurons(const Graph& spiking) {
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

Graph build_rwkv4(const SpikeGptConfig& config) {
  return without_neurons(build_spikegpt(rwkv4_of(config)));
}

Family rwkv4_family() {
  Family row = spikegpt_family();
  row.name = "rwkv4";
  row.title = "RWKV-4";
  row.about = "RWKV-4, a SpikeGPT without neurons";
  row.spikes = false;
  row.remark = "";
  row.settings = nullptr;
  row.twin = {};
  row.claim = {};
  row.keys = [](ModelSpec& spec) {
    SpikeGptConfig& net = spec.as<SpikeGptSpec>().net;
    return dimension_keys(net);
  };
  row.build = [](const ModelSpec& spec, const DataShape&) -> Graph {
    return build_rwkv4(spec.as<SpikeGptSpec>().net);
  };
  return row;
}

}  // namespace spikeloom
