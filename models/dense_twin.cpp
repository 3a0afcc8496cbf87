#include "models/dense_twin.hpp"
#include "sim/graph/step_axis.hpp"

#include <cmath>

namespace spikeloom {
namespace {

// Neurons that only serve spike-driven attention.
bool is_attention_neuron(const Graph& graph, const std::vector<std::vector<NodeId>>& consumers,
                         NodeId id) {
  if (std::holds_alternative<QApply>(graph.node(graph.node(id).inputs[0]).op)) return true;
  for (const NodeId next : consumers[static_cast<size_t>(id)]) {
    const Op& op = graph.node(next).op;
    if (std::holds_alternative<KtV>(op) || std::holds_alternative<QApply>(op)) return true;
  }
  return false;
}

}  // namespace

Graph dense_twin(const Graph& spiking) {
  const auto consumers = consumers_of(spiking);
  Graph twin;
  std::vector<NodeId> moved(spiking.nodes().size(), -1);
  for (NodeId id = 0; id < spiking.size(); ++id) {
    const Node& node = spiking.node(id);
    std::vector<NodeId> inputs;
    for (const NodeId input : node.inputs) inputs.push_back(moved[static_cast<size_t>(input)]);
    NodeId& place = moved[static_cast<size_t>(id)];
    const auto* neuron = std::get_if<Neuron>(&node.op);
    if (neuron != nullptr && !neuron->spec.fires()) {
      place = inputs[0];  // an integrator of what it reads: in one pass, that
    } else if (neuron != nullptr) {
      place = is_attention_neuron(spiking, consumers, id)
                  ? inputs[0]
                  : twin.add(node.name, Activation{}, inputs);
    } else if (std::holds_alternative<StepMean>(node.op)) {
      place = inputs[0];  // one pass: the mean over one step
    } else if (std::holds_alternative<KtV>(node.op)) {
      place = -1;  // folded into the attention node below
    } else if (const auto* apply = std::get_if<QApply>(&node.op)) {
      const Node& kv = spiking.node(node.inputs[1]);
      const NodeId k = moved[static_cast<size_t>(kv.inputs[0])],
                   v = moved[static_cast<size_t>(kv.inputs[1])];
      const int64_t d = channels_of(twin.node(k).shape) / apply->heads;
      const NodeId attention = twin.add(
          node.name, SoftmaxAttention{apply->heads, 1.0f / std::sqrt(static_cast<float>(d))},
          {inputs[0], k, v});
      place = twin.add(node.name + "_tokens", View{node.shape}, {attention});
    } else {
      place = twin.add(node.name, node.op, inputs);
    }
  }
  for (const auto& [name, id] : spiking.outputs())
    twin.output(name, moved[static_cast<size_t>(id)]);
  return twin;
}

std::optional<Graph> dense_twin_of_still(const Graph& spiking, const DataShape& data) {
  if (data.frames != 1 || is_dense_at_every_step(spiking)) return std::nullopt;
  return dense_twin(spiking);
}

}  // namespace spikeloom
