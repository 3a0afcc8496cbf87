#include "hw_model/report/network_view.hpp"

#include <algorithm>
#include <map>
#include <set>

namespace spikeloom {
namespace {

// What a picture shows as a node; everything else belongs to an edge.
std::set<NodeId> shown_nodes(const Graph& graph) {
  std::set<NodeId> shown;
  for (NodeId id = 0; id < graph.size(); ++id) {
    const Node& node = graph.node(id);
    const bool joins = node.inputs.size() != 1;
    if (joins || is_layer(node.op) || std::holds_alternative<LmuMemory>(node.op)) shown.insert(id);
  }
  for (const auto& [name, id] : graph.outputs()) {
    if (name == "logits") shown.insert(id);
  }
  return shown;
}

}  // namespace

NetworkView view_of(const Graph& graph, const OpCounts& counts) {
  std::map<NodeId, const NeuronCount*> fires;
  for (const Population& population : populations_of(graph)) {
    for (const NeuronCount& count : counts.neurons) {
      if (count.name == population.name) fires[population.node] = &count;
    }
  }
  NetworkView view;
  std::map<NodeId, size_t> index;
  for (const NodeId id : shown_nodes(graph)) {
    index[id] = view.nodes.size();
    view.nodes.push_back({graph.node(id).name, std::string(kind_of(graph.node(id).op))});
  }
  const auto connect = [&](NodeId source, NodeId target, bool feedback) {
    NetworkView::Edge edge{0, index.at(target), graph.node(source).kind, "", 0, feedback};
    for (;;) {
      if (const auto found = fires.find(source); found != fires.end() && edge.population.empty()) {
        edge.population = found->second->name;
        edge.rate = found->second->rate();
      }
      if (index.contains(source)) break;
      source = graph.node(source).inputs.at(0);
    }
    edge.from = index.at(source);
    view.edges.push_back(std::move(edge));
  };
  for (const auto& [id, at] : index) {
    const Node& node = graph.node(id);
    for (const NodeId input : node.inputs) connect(input, id, false);
    if (node.feedback >= 0) connect(node.feedback, id, true);
  }
  return view;
}

nlohmann::json to_json(const NetworkView& view) {
  nlohmann::json json{{"parameters", view.parameters},
                      {"nodes", nlohmann::json::array()},
                      {"edges", nlohmann::json::array()}};
  for (const auto& node : view.nodes)
    json["nodes"].push_back({{"name", node.name}, {"op", node.op}});
  for (const auto& edge : view.edges) {
    nlohmann::json entry{{"from", edge.from},
                         {"to", edge.to},
                         {"kind", kEdgeKindNames[static_cast<size_t>(edge.kind)]},
                         {"population", nullptr},
                         {"rate", nullptr},
                         {"feedback", edge.feedback}};
    if (!edge.population.empty()) {
      entry["population"] = edge.population;
      entry["rate"] = edge.rate;
    }
    json["edges"].push_back(std::move(entry));
  }
  return json;
}

std::string block_of(std::string_view name) {
  for (size_t at = 0; at <= name.size();) {
    const size_t end = std::min(name.find('.', at), name.size());
    const std::string_view part = name.substr(at, end - at);
    if (!part.empty() && part.find_first_not_of("0123456789") == part.npos)
      return std::string(name.substr(0, end));
    at = end + 1;
  }
  return std::string(name.substr(0, name.find('.')));
}

}  // namespace spikeloom
