#include "sim/graph/graph.hpp"

#include <set>

#include "core/error.hpp"
#include "sim/graph/infer.hpp"

namespace spikeloom {

int64_t rows_of(const Shape& shape) {
  int64_t rows = 1;
  for (size_t i = 0; i + 1 < shape.size(); ++i) rows *= shape[i];
  return rows;
}

int64_t channels_of(const Shape& shape) {
  return shape.empty() ? 1 : shape.back();
}

std::optional<NodeId> Graph::find(std::string_view node_name) const {
  const auto found = ids_.find(node_name);
  return found == ids_.end() ? std::nullopt : std::optional<NodeId>(found->second);
}

std::optional<NodeId> Graph::find_output(std::string_view name) const {
  for (const auto& [output_name, id] : outputs_) {
    if (output_name == name) return id;
  }
  return std::nullopt;
}

void Graph::close(NodeId feedback, NodeId source) {
  Node& node = nodes_.at(static_cast<size_t>(feedback));
  const Node& from = this->node(source);
  if (!node.is_open()) throw Error(ErrorCode::kUsage, node.name + " is no open feedback");
  if (from.kind == node.kind && from.shape == node.shape && from.levels != node.levels)
    throw Error(ErrorCode::kUsage, node.name + " shows levels from " + range_text(node.levels) +
                                       ", but " + from.name + " has " + range_text(from.levels));
  if (from.kind != node.kind || from.shape != node.shape)
    throw Error(ErrorCode::kUsage,
                node.name + " shows " + kEdgeKindNames[static_cast<size_t>(node.kind)] + " " +
                    to_string(node.shape) + ", but " + from.name + " has " +
                    kEdgeKindNames[static_cast<size_t>(from.kind)] + " " + to_string(from.shape));
  if (from.is_static)
    throw Error(ErrorCode::kUsage, node.name + ": " + from.name + " is equal at every step");
  // Through views and other feedback: a ring of them has no value to show.
  for (NodeId at = source_of(*this, source); at >= 0; at = this->node(at).feedback) {
    at = source_of(*this, at);
    if (at == feedback) throw Error(ErrorCode::kUsage, node.name + " shows itself");
  }
  node.feedback = source;
}

void Graph::output(std::string name, NodeId id) {
  if (find_output(name)) throw Error(ErrorCode::kInternal, "output '" + name + "' is named twice");
  outputs_.emplace_back(std::move(name), id);
}

std::vector<StateSlot> state_of(const Node& node) {
  return std::visit([&](const Operator auto& op) { return op.state(node.shape); }, node.op);
}

std::vector<std::vector<NodeId>> consumers_of(const Graph& graph) {
  std::vector<std::vector<NodeId>> result(graph.nodes().size());
  for (NodeId id = 0; id < graph.size(); ++id) {
    for (const NodeId input : graph.node(id).inputs)
      result[static_cast<size_t>(input)].push_back(id);
    if (graph.node(id).feedback >= 0)
      result[static_cast<size_t>(graph.node(id).feedback)].push_back(id);
  }
  return result;
}

NodeId source_of(const Graph& graph, NodeId id) {
  while (is_view(graph.node(id).op)) id = graph.node(id).inputs[0];
  return id;
}

bool is_view(const Op& op) {
  return std::holds_alternative<View>(op);
}

std::optional<NodeId> mask_of(const Graph& graph, NodeId value) {
  const auto* activation = std::get_if<Activation>(&graph.node(value).op);
  if (activation == nullptr || activation->kind != ActivationKind::kReluSquared) return {};
  for (NodeId id = value + 1; id < graph.size(); ++id) {
    const auto* mask = std::get_if<Threshold>(&graph.node(id).op);
    if (mask != nullptr && graph.node(id).inputs[0] == value && mask->threshold == 0.0f &&
        mask->thresholds.empty() && mask->fire == FireRule::kAboveThreshold) {
      return id;
    }
  }
  return {};
}

NameSet array_names(const Graph& graph) {
  NameSet names;
  for (const Node& node : graph.nodes()) {
    for (const Parameter& parameter : parameters_of(node.op)) names.insert(parameter.name);
  }
  return names;
}

int64_t parameter_count(const Graph& graph) {
  std::set<std::string> seen;
  int64_t sum = 0;
  for (const Node& node : graph.nodes()) {
    for (const Parameter& parameter : parameters_of(node.op)) {
      const bool statistic =
          parameter.name.ends_with(".running_mean") || parameter.name.ends_with(".running_var");
      if (!statistic && seen.insert(parameter.name).second) sum += element_count(parameter.shape);
    }
  }
  return sum;
}

NodeId Graph::add(std::string name, Op op, std::vector<NodeId> inputs) {
  if (find(name)) throw Error(ErrorCode::kInternal, "node '" + name + "' occurs twice");
  std::vector<InputValue> in;
  bool is_static = true;
  for (const NodeId id : inputs) {
    const Node& from = node(id);
    in.push_back({from.name, from.kind, from.shape, from.vocabulary, from.levels});
    is_static = is_static && from.is_static;
  }
  try {
    Inferred out = std::visit([&](const Operator auto& o) { return o.infer(in); }, op);
    element_count(out.shape);
    const StepWindow window = window_of(op);
    is_static = is_static && out.is_static;
    if (is_static && (window.left > 0 || window.right > 0))
      misfit("looks at neighbouring steps, but its input is one frame for all steps");
    Node added{std::move(name),
               std::move(op),
               std::move(inputs),
               out.kind,
               std::move(out.shape),
               out.vocabulary,
               out.levels,
               -1,
               false};
    added.is_static = is_static && state_of(added).empty();
    nodes_.push_back(std::move(added));
    ids_.emplace(nodes_.back().name, size() - 1);
  } catch (const Error& error) {
    throw error.in_node(name);
  }
  return size() - 1;
}

bool is_population(const Node& node) {
  return is_events(node.kind) && population_of(node.op).has_value();
}

std::vector<Population> populations_of(const Graph& graph) {
  std::vector<Population> result;
  for (NodeId id = 0; id < graph.size(); ++id) {
    const Node& node = graph.node(id);
    if (!is_population(node)) continue;  // real, or shows or joins spikes of others
    const auto recorded = population_of(node.op);
    const char* axes = node.shape.size() == 3 ? "H,W,C" : node.shape.size() == 2 ? "N,C" : "C";
    result.push_back({node.name, id, node.shape, axes, recorded->neuron_model, recorded->threshold,
                      recorded->is_neuron, recorded->is_input, node.levels});
  }
  return result;
}

}  // namespace spikeloom
