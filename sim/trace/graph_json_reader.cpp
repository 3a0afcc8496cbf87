#include <algorithm>
#include <array>
#include <cmath>
#include <map>
#include <nlohmann/json.hpp>
#include <optional>
#include <set>

#include "core/error.hpp"
#include "core/io/hint.hpp"
#include "core/io/json.hpp"
#include "sim/trace/graph_json.hpp"

namespace spikeloom {
namespace {

using nlohmann::json;

constexpr int64_t kMostNodes = 8192;
constexpr int64_t kMost = int64_t{1} << 31;          // of any integer parameter
constexpr int64_t kMostElements = int64_t{1} << 31;  // of any value
constexpr double kMostMacs =
    0x1p46;  // of any node in one step: counts of whole runs cannot overflow
constexpr double kLargestFloat = 3.4028234663852886e38;

Error wrong(const std::string& where, const std::string& what) {
  return {ErrorCode::kData, where + ": " + what};
}

// The members of one JSON object; what nobody asked for is an error.
class Fields {
 public:
  Fields(const json& object, std::string where) : object_(object), where_(std::move(where)) {
    if (!object.is_object()) throw wrong(where_, "expected an object");
  }

  bool has(const char* key) const { return object_.contains(key); }
  const std::string& where() const noexcept { return where_; }

  const json& at(const char* key) {
    read_.insert(key);
    const auto found = object_.find(key);
    if (found == object_.end()) throw fault(key, "is missing");
    return *found;
  }

  Error fault(const char* key, const std::string& what) const {
    return wrong(where_, std::string("field '") + key + "' " + what);
  }

  int64_t integer(const char* key, int64_t min, int64_t max = kMost) {
    const auto number = integer_in(at(key), min, max);
    if (!number) throw fault(key, "must be an integer" + range(min, max));
    return *number;
  }

  // One integer for both, or a list of two.
  YX pair(const char* key, int64_t min, int64_t max) {
    const json& value = at(key);
    const bool two = value.is_array() && value.size() == 2;
    const auto y = integer_in(two ? value[0] : value, min, max);
    const auto x = integer_in(two ? value[1] : value, min, max);
    if (!y || !x)
      throw fault(key, "must be an integer" + range(min, max) + ", or a list of two such");
    return {*y, *x};
  }

  double real(const char* key) {
    const json& value = at(key);
    if (!value.is_number() || !std::isfinite(value.get<double>()))
      throw fault(key, "must be a finite number");
    return value.get<double>();
  }

  float single(const char* key) {
    const double value = real(key);
    if (std::abs(value) > kLargestFloat) throw fault(key, "exceeds single precision");
    return static_cast<float>(value);
  }

  bool flag(const char* key) {
    const json& value = at(key);
    if (!value.is_boolean()) throw fault(key, "must be true or false");
    return value.get<bool>();
  }

  std::string text(const char* key) {
    const json& value = at(key);
    if (!value.is_string()) throw fault(key, "must be a text");
    return value.get<std::string>();
  }

  // Position of the text among `names`.
  size_t choice(const char* key, const std::vector<std::string>& names) {
    const std::string value = text(key);
    for (size_t i = 0; i < names.size(); ++i) {
      if (names[i] == value) return i;
    }
    std::string known;
    for (const std::string& name : names) known += (known.empty() ? "" : ", ") + in_quotes(name);
    throw fault(key, "is " + in_quotes(value) + ", must be one of " + known);
  }

  Shape shape(const char* key) {
    const json& value = at(key);
    Shape shape;
    const auto fits = [](const json& extent) {
      return extent.is_number_unsigned() && extent.get<uint64_t>() > 0 &&
             extent.get<uint64_t>() <= static_cast<uint64_t>(kMost);
    };
    if (!value.is_array() || value.size() > 8 || !std::all_of(value.begin(), value.end(), fits))
      throw fault(key, "must list at most 8 extents from 1 to " + std::to_string(kMost));
    for (const json& extent : value) shape.push_back(extent.get<int64_t>());
    return shape;
  }

  const json& array(const char* key) {
    const json& value = at(key);
    if (!value.is_array()) throw fault(key, "must be a list");
    return value;
  }

  void reject_unknown() const {
    for (const auto& [key, value] : object_.items()) {
      if (!read_.count(key)) throw wrong(where_, "unknown field " + in_quotes(key));
    }
  }

 private:
  static std::string range(int64_t min, int64_t max) {
    return " from " + std::to_string(min) + " to " + std::to_string(max);
  }

  static std::optional<int64_t> integer_in(const json& value, int64_t min, int64_t max) {
    if (!value.is_number_integer()) return {};
    if (value.is_number_unsigned() && value.get<uint64_t>() > static_cast<uint64_t>(max)) return {};
    const auto number = value.get<int64_t>();
    return number < min || number > max ? std::nullopt : std::optional(number);
  }

  const json& object_;
  std::string where_;
  std::set<std::string> read_;
};

// Reads the fields of an operator (sim/graph/fields.hpp).
class FieldReader {
 public:
  explicit FieldReader(Fields& fields) : fields_(fields) {}

  void integer(const char* key, int64_t& value, FieldRange range = {}) {
    if (is_left_out(key)) return;
    value = fields_.integer(key, range.min, range.max);
  }
  void optional_integer(const char* key, int64_t& value, FieldRange range = {},
                        int64_t absent = 0) {
    value = fields_.has(key) ? fields_.integer(key, range.min, range.max) : absent;
  }
  void pair(const char* key, YX& value, FieldRange range = {}) {
    if (is_left_out(key)) return;
    value = fields_.pair(key, range.min, range.max);
  }
  void optional_pair(const char* key, YX& value, FieldRange range = {}) {
    value = fields_.has(key) ? fields_.pair(key, range.min, range.max) : YX(1);
  }
  void single(const char* key, float& value) { value = fields_.single(key); }
  void real(const char* key, double& value) { value = fields_.real(key); }
  void flag(const char* key, bool& value) { value = fields_.flag(key); }
  void optional_flag(const char* key, bool& value) {
    value = fields_.has(key) && fields_.flag(key);
  }
  void text(const char* key, std::string& value) {
    if (!is_left_out(key)) value = fields_.text(key);
  }
  void shape(const char* key, Shape& value) { value = fields_.shape(key); }
  void optional_text(const char* key, std::string& value) {
    value = fields_.has(key) ? fields_.text(key) : "";
  }
  void optional_shape(const char* key, Shape& value) {
    value = fields_.has(key) ? fields_.shape(key) : Shape{};
  }
  template <typename E, size_t N>
  void choice(const char* key, E& value, const char* const (&names)[N]) {
    value = static_cast<E>(fields_.choice(key, {std::begin(names), std::end(names)}));
  }
  template <typename E, size_t N>
  void optional_choice(const char* key, E& value, const char* const (&names)[N]) {
    value = E{};
    if (fields_.has(key)) choice(key, value, names);
  }
  void neuron(NeuronSpec& spec) {
    std::vector<std::string> models;
    for (const NeuronRow& row : neuron_table()) models.emplace_back(row.name);
    spec = spikeloom::neuron(models[fields_.choice("model", models)]);
    if (fields_.has("decay")) {
      neuron_with_decay(spec);
      return;
    }
    if (fields_.has("form")) spec.rules.form = one_of("form", spec.row().forms);
    if (spec.fires()) {
      if (fields_.has("fire")) choice("fire", spec.rules.fire, kFireWords);
      if (fields_.has("reset")) spec.rules.reset = one_of("reset", spec.row().resets);
    }
    for (size_t i = 0; i < spec.values.size(); ++i) {
      const std::string key(spec.row().parameters[i].name);
      if (fields_.has(key.c_str())) spec.values[i] = neuron_value(key.c_str());
    }
  }
  void label(const std::string&) {}

 private:
  // What other writers need not say: the operator's own value stays.
  bool is_left_out(std::string_view key) const {
    static constexpr std::string_view kUsual[] = {"stride", "padding", "groups", "trailing_ones",
                                                  "bias"};
    return std::find(std::begin(kUsual), std::end(kUsual), key) != std::end(kUsual) &&
           !fields_.has(std::string(key).c_str());
  }

  template <typename E>
  E one_of(const char* key, std::span<const E> values) {
    std::vector<std::string> names;
    for (const E value : values) names.emplace_back(name_of(value));
    return values[fields_.choice(key, names)];
  }

  NeuronValue neuron_value(const char* key) {
    const json& value = fields_.at(key);
    if (!value.is_object()) return {fields_.real(key), {}, {}};
    Fields array(value, fields_.where() + ": " + key);
    NeuronValue result{0, array.text("array"), array.shape("shape")};
    if (result.array.empty()) throw array.fault("array", "must be a name");
    array.reject_unknown();
    return result;
  }

  // IF, LIF and PLIF as older traces have them: the decay of a step instead of tau or w.
  void neuron_with_decay(NeuronSpec& spec) {
    const double decay = double{fields_.single("decay")};
    const bool decays_input = fields_.flag("decay_input");
    choice("fire", spec.rules.fire, kFireWords);
    const bool hard = fields_.choice("reset", {"hard", "soft"}) == 0;
    spec.rules.reset = hard ? Reset::kHard : Reset::kSoft;
    spec["v_threshold"].value = double{fields_.single("v_threshold")};
    spec["v_reset"].value = double{fields_.single("v_reset")};
    if (spec.has("tau")) spec["tau"].value = decay == 0 ? kAny : 1 / decay;
    if (spec.has("w")) spec["w"].value = std::log(decay / (1 - decay));
    if (!spec.has("v_leak")) return;
    spec["v_leak"].value = hard ? spec["v_reset"].value : 0;
    spec.rules.form = decays_input                ? NeuronForm::kEuler
                      : spec["v_leak"].value == 0 ? NeuronForm::kBeta
                                                  : NeuronForm::kPlain;
  }

  Fields& fields_;
};

// Reads an operator of the kind at place `I` of the variant.
template <size_t I>
Op read_kind(Fields& fields) {
  std::variant_alternative_t<I, Op> op;
  FieldReader reader(fields);
  op.fields(op, reader);
  return op;
}

struct OpReader {
  const char* kind;
  Op (*read)(Fields&);
};

template <size_t... I>
constexpr auto readers(std::index_sequence<I...>) {
  return std::array{OpReader{std::variant_alternative_t<I, Op>::kKind, read_kind<I>}...};
}

Op read_op(const json& object, const std::string& where) {
  constexpr auto kReaders = readers(std::make_index_sequence<std::variant_size_v<Op>>{});
  Fields fields(object, where);
  std::vector<std::string> kinds;
  for (const OpReader& reader : kReaders) kinds.emplace_back(reader.kind);
  Op op = kReaders[fields.choice("kind", kinds)].read(fields);
  fields.reject_unknown();
  return op;
}

// Multiply-accumulates of one step, where counts multiply sizes.
double macs_of(const Graph& graph, const Node& node) {
  const auto rows = static_cast<double>(rows_of(node.shape));
  const auto values = static_cast<double>(element_count(node.shape));
  if (const auto* ktv = std::get_if<KtV>(&node.op)) {
    const Shape& keys = graph.node(node.inputs[0]).shape;
    return static_cast<double>(element_count(keys)) *
           static_cast<double>(channels_of(keys) / ktv->heads);
  }
  if (const auto* apply = std::get_if<QApply>(&node.op))
    return values * static_cast<double>(channels_of(node.shape) / apply->heads);
  if (std::holds_alternative<SoftmaxAttention>(node.op)) return values * rows;
  if (const auto* pool = std::get_if<Pool2d>(&node.op))
    return values * static_cast<double>(pool->kernel.area());
  if (!is_layer(node.op)) return 0;
  return rows * static_cast<double>(element_count(parameters_of(node.op)[0].shape));
}

class GraphReader {
 public:
  explicit GraphReader(const std::string& name) : name_(name) {}

  Graph read(const json& root) {
    Fields fields(root, name_);
    if (fields.has("form")) {
      graph_.form = static_cast<GraphForm>(
          fields.choice("form", {std::begin(kGraphFormNames), std::end(kGraphFormNames)}));
    }
    const json& nodes = fields.array("nodes");
    if (nodes.empty() || nodes.size() > static_cast<size_t>(kMostNodes))
      throw fields.fault("nodes", "must list 1 to " + std::to_string(kMostNodes) + " nodes");
    for (size_t i = 0; i < nodes.size(); ++i)
      read_node(nodes[i], name_ + ": node " + std::to_string(i));
    close_feedback();
    const json none = json::array();
    const json& outputs = fields.has("outputs") ? fields.array("outputs") : none;
    for (size_t i = 0; i < outputs.size(); ++i)
      read_output(outputs[i], name_ + ": output " + std::to_string(i));
    fields.reject_unknown();
    return std::move(graph_);
  }

 private:
  NodeId node_called(const Fields& fields, const char* key, const json& name) const {
    const auto found = name.is_string() ? ids_.find(name.get<std::string>()) : ids_.end();
    if (found == ids_.end()) {
      throw fields.fault(
          key, "names no earlier node" +
                   (name.is_string() ? ": " + in_quotes(name.get<std::string>()) : std::string()));
    }
    return found->second;
  }

  void read_node(const json& object, const std::string& place) {
    Fields unnamed(object, place);
    const std::string name = unnamed.text("name");
    const std::string where = name_ + ": node " + in_quotes(name);
    Fields fields(object, where);
    if (name.empty() || !ids_.emplace(fields.text("name"), graph_.size()).second)
      throw fields.fault("name", "must be a new name");
    Op op = read_op(fields.at("op"), where);
    std::vector<NodeId> inputs;
    const json none = json::array();
    for (const json& input : fields.has("inputs") ? fields.array("inputs") : none) {
      inputs.push_back(node_called(fields, "inputs", input));
      if (inputs.back() == graph_.size()) throw fields.fault("inputs", "names the node itself");
    }
    try {
      graph_.add(name, std::move(op), std::move(inputs));
      if (element_count(graph_.nodes().back().shape) > kMostElements)
        throw Error(ErrorCode::kData, name + ": has more than 2^31 values");
      if (macs_of(graph_, graph_.nodes().back()) > kMostMacs)
        throw Error(ErrorCode::kData, name + ": needs more than 2^46 multiply-accumulates a step");
    } catch (const Error& error) {
      throw wrong(name_, printable(error.what()));
    }
    check_inferred(fields, graph_.nodes().back());
    if (fields.has("feedback")) feedback_.emplace_back(graph_.size() - 1, fields.text("feedback"));
    fields.reject_unknown();
  }

  void close_feedback() {
    for (const auto& [node, source] : feedback_) {
      const auto found = ids_.find(source);
      const std::string where = name_ + ": node " + in_quotes(graph_.node(node).name);
      if (found == ids_.end())
        throw wrong(where, "its feedback names no node: " + in_quotes(source));
      try {
        graph_.close(node, found->second);
      } catch (const Error& error) {
        throw wrong(name_, printable(error.what()));
      }
    }
    for (const Node& node : graph_.nodes()) {
      if (node.is_open())
        throw wrong(name_ + ": node " + in_quotes(node.name), "has no field 'feedback'");
    }
  }

  // What follows from operator and inputs is stored for readers; it must not say otherwise.
  static void check_inferred(Fields& fields, const Node& node) {
    if (fields.has("shape")) {
      const Shape shape = fields.shape("shape");
      if (shape != node.shape)
        throw fields.fault("shape",
                           "is " + to_string(shape) + ", follows as " + to_string(node.shape));
    }
    if (fields.has("edge")) {
      const size_t edge =
          fields.choice("edge", {std::begin(kEdgeKindNames), std::end(kEdgeKindNames)});
      if (edge != static_cast<size_t>(node.kind)) throw fields.fault("edge", "is another");
    }
    if (fields.has("static") && fields.flag("static") != node.is_static)
      throw fields.fault("static", "is wrong");
    if (!fields.has("weights")) return;
    const std::vector<Parameter> parameters = parameters_of(node.op);
    const int64_t weights = fields.integer("weights", 1, int64_t{1} << 62);
    if (parameters.empty() || element_count(parameters[0].shape) != weights)
      throw fields.fault("weights", "does not fit the operator");
    if (fields.has("zero_weights")) fields.integer("zero_weights", 0, weights);
  }

  void read_output(const json& object, const std::string& where) {
    Fields fields(object, where);
    const std::string name = fields.text("name");
    if (graph_.find_output(name)) throw fields.fault("name", "must be a new name");
    graph_.output(name, node_called(fields, "node", fields.at("node")));
    fields.reject_unknown();
  }

  std::string name_;
  Graph graph_;
  std::map<std::string, NodeId> ids_;
  std::vector<std::pair<NodeId, std::string>> feedback_;  // node and what it shows
};

}  // namespace

Graph graph_from_json(std::string_view text, const std::string& name) {
  return GraphReader(name).read(parse_json(text, name));
}

}  // namespace spikeloom
