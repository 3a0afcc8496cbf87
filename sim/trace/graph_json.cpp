#include "sim/trace/graph_json.hpp"

#include <algorithm>
#include <nlohmann/json.hpp>

#include "core/io/json.hpp"

namespace spikeloom {

using nlohmann::json;

namespace {

// Writes the fields of an operator (sim/graph/fields.hpp).
struct FieldWriter {
  json object;

  void integer(const char* key, int64_t value, FieldRange = {}) { object[key] = value; }
  void optional_integer(const char* key, int64_t value, FieldRange = {}, int64_t absent = 0) {
    if (value != absent) object[key] = value;
  }
  void pair(const char* key, YX value, FieldRange = {}) {
    if (value.y == value.x) {
      object[key] = value.y;
    } else {
      object[key] = {value.y, value.x};
    }
  }
  void optional_pair(const char* key, YX value, FieldRange = {}) {
    if (value != YX(1)) pair(key, value);
  }
  void single(const char* key, float value) { object[key] = value; }
  void real(const char* key, double value) { object[key] = value; }
  void flag(const char* key, bool value) { object[key] = value; }
  void optional_flag(const char* key, bool value) {
    if (value) object[key] = value;
  }
  void text(const char* key, const std::string& value) { object[key] = value; }
  void shape(const char* key, const Shape& value) { object[key] = value; }
  void optional_text(const char* key, const std::string& value) {
    if (!value.empty()) object[key] = value;
  }
  void optional_shape(const char* key, const Shape& value) {
    if (!value.empty()) object[key] = value;
  }
  template <typename E, size_t N>
  void choice(const char* key, E value, const char* const (&names)[N]) {
    name(key, names, static_cast<size_t>(value));
  }
  template <typename E, size_t N>
  void optional_choice(const char* key, E value, const char* const (&names)[N]) {
    if (value != E{}) name(key, names, static_cast<size_t>(value));
  }
  // Apart, and of no certain length: GCC 12 folds choices of several lengths into one function and
  // then warns of the others' ends.
  void name(const char* key, const char* const* names, size_t at) { object[key] = names[at]; }
  void neuron(const NeuronSpec& spec) {
    object["model"] = spec.row().name;
    object["form"] = name_of(spec.rules.form);
    if (spec.fires()) {
      object["fire"] = name_of(spec.rules.fire);
      object["reset"] = name_of(spec.rules.reset);
    }
    for (size_t i = 0; i < spec.values.size(); ++i) {
      const NeuronValue& value = spec.values[i];
      json& field = object[std::string(spec.row().parameters[i].name)];
      field = value.value;
      if (!value.array.empty()) field = {{"array", value.array}, {"shape", value.shape}};
    }
  }
  void label(const std::string&) {}
};

json op_json(const Op& op) {
  return std::visit(
      [](const Operator auto& o) {
        FieldWriter writer{{{"kind", o.kKind}}};
        o.fields(o, writer);
        return std::move(writer.object);
      },
      op);
}

int64_t count_zeros(const Tensor& tensor) {
  const auto zeros = [](std::span<const float> values) {
    return static_cast<int64_t>(std::count(values.begin(), values.end(), 0.0f));
  };
  if (tensor.dtype() == DType::kF32) return zeros(tensor.f32());
  return zeros(to_f32(tensor).f32());
}

json node_json(const Graph& graph, const Node& node, const Weights* weights) {
  json inputs = json::array();
  for (const NodeId input : node.inputs) inputs.push_back(graph.node(input).name);
  json result = {{"name", node.name},
                 {"op", op_json(node.op)},
                 {"inputs", inputs},
                 {"shape", node.shape},
                 {"edge", kEdgeKindNames[static_cast<size_t>(node.kind)]},
                 {"static", node.is_static}};
  if (node.feedback >= 0) result["feedback"] = graph.node(node.feedback).name;
  const std::string weight = weight_of(node.op);
  if (!weight.empty()) {
    result["weights"] = element_count(parameters_of(node.op)[0].shape);
    if (weights != nullptr) result["zero_weights"] = count_zeros(weights->at(weight).data);
  }
  return result;
}

}  // namespace

std::string graph_to_json(const Graph& graph, const Weights* weights) {
  json nodes = json::array(), outputs = json::array();
  for (const Node& node : graph.nodes()) nodes.push_back(node_json(graph, node, weights));
  for (const auto& [name, id] : graph.outputs()) {
    outputs.push_back({{"name", name}, {"node", graph.node(id).name}});
  }
  return dump_json({{"form", name_of(graph.form)}, {"nodes", nodes}, {"outputs", outputs}});
}

}  // namespace spikeloom
