#include "hw_model/chip/lower_graph.hpp"

#include "core/error.hpp"
#include "hw_model/chip/op_rules.hpp"
#include "sim/graph/fuse.hpp"

namespace spikeloom {
NodeId behind_free(const Graph& graph, NodeId id) {
  while (chip_rule(graph.node(id)).role == ChipRole::kFree) id = graph.node(id).inputs[0];
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
  if (graph.form == GraphForm::kFused) return graph;
  try {
    return fuse(graph);
  } catch (const Error& error) {
    throw Error(ErrorCode::kData, std::string("the graph cannot be fused: ") + error.what());
  }
}

}  // namespace spikeloom
