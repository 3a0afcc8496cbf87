#include "hw_model/chip/lower_graph.hpp"

#include "core/error.hpp"
#include "sim/graph/fuse.hpp"

namespace spikeloom {
namespace {

bool is_free(const Op& op) {
  const auto* norm = std::get_if<BatchNorm>(&op);
  const auto* scale = std::get_if<Scale>(&op);
  return std::holds_alternative<View>(op) || (scale != nullptr && scale->shape.size() < 2) ||
         std::holds_alternative<Positions>(op) || (norm != nullptr && norm->pad == 0);
}

}  // namespace

bool is_weighted_on_chip(const Op& op) {
  return is_layer(op) || std::holds_alternative<LmuMemory>(op);
}

NodeId behind_free(const Graph& graph, NodeId id) {
  while (is_free(graph.node(id).op)) id = graph.node(id).inputs[0];
  return id;
}

std::vector<Extent> extents_of(const Graph& graph) {
  std::vector<Extent> extents;
  for (const Node& node : graph.nodes()) {
    Extent extent;
    if (node.shape.size() == 3) extent = {node.shape[0], node.shape[1]};
    if (node.shape.size() == 2) {
      extent = {1, node.shape[0]};
      for (const NodeId input : node.inputs) {
        const Extent from = extents[static_cast<size_t>(input)];
        if (from.height * from.width != node.shape[0]) continue;
        extent = from;
        break;
      }
    }
    extents.push_back(extent);
  }
  return extents;
}

Graph fused_form(const Graph& graph) {
  if (graph.form == "fused") return graph;
  try {
    return fuse(graph);
  } catch (const Error& error) {
    throw Error(ErrorCode::kData, std::string("the graph cannot be fused: ") + error.what());
  }
}

}  // namespace spikeloom
