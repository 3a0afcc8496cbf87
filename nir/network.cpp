#include "nir/network.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <cstdlib>
#include <optional>
#include <set>
#include <utility>

#include "core/error.hpp"
#include "core/io/hint.hpp"

namespace spikeloom::nir {
namespace {

constexpr size_t kMostNodes = 16384, kMostEdges = 65536;
constexpr int kMostNesting = 16;

[[noreturn]] void refuse(const std::string& why) {
  throw Error(ErrorCode::kData, why);
}

std::string shown(const std::string& name) {
  return printable(name, 100);
}

// Integers have to be whole and small: axes, extents, strides.
void check_integers(const Array& array, const std::string& what) {
  constexpr double kMost = 1 << 24;
  for (int64_t i = 0; i < array.size(); ++i) {
    const double value = array.at(i);
    if (!(std::abs(value) <= kMost && value == std::floor(value)))
      refuse(fmt::format("{} is {}, not a whole number up to 2^24", what, value));
  }
}

void check_numbers(const Array& array, const Field& field, const Node& node) {
  const std::string what = fmt::format("{} of {}", field.name, title_of(node));
  for (int64_t i = 0; i < array.size(); ++i) {
    const double value = array.at(i);
    if (!std::isfinite(static_cast<float>(value))) refuse(what + " is not finite");
    if (field.positive && !(value > 0)) refuse(what + " must be positive");
    if (array.at(i) < 0 && field.name == "delay") refuse(what + " is negative");
  }
}

// The item of a field as numbers; nothing where it is the text of a padding.
std::optional<Array> read_field(const Item& item, const Field& field, Node& node) {
  const std::string what = fmt::format("{} of {}", field.name, title_of(node));
  if (const auto* texts = std::get_if<std::vector<std::string>>(&item.values)) {
    const bool one = field.kind == FieldKind::kPadding && texts->size() == 1;
    node.same = one && texts->at(0) == "same";
    if (!one) refuse(what + " must be numbers");
    if (!node.same && texts->at(0) != "valid")
      refuse(fmt::format("{} is {}, neither numbers nor same or valid", what,
                         in_quotes(texts->at(0))));
    return std::nullopt;
  }
  const auto* tensor = std::get_if<Tensor>(&item.values);
  if (tensor == nullptr) refuse(what + " must be numbers");
  if (tensor->size() == 0) refuse(what + " holds no numbers");
  Array array{clone(*tensor)};
  const bool whole = field.kind == FieldKind::kIntegers || field.kind == FieldKind::kPadding;
  if (whole) check_integers(array, what);
  check_numbers(array, field, node);
  return array;
}

// One graph of the file, and those in it.
class Parser {
 public:
  explicit Parser(const Content& content) : content_(content) {}

  Network parse() {
    if (content_.find("/node") == content_.end()) refuse("no NIR graph: there is no group /node");
    read_version();
    const std::string type = text("/node/type");
    if (type != "NIRGraph")
      refuse(fmt::format("the top node is {}: only a NIRGraph has nodes",
                         type.empty() ? "of no type" : "a " + in_quotes(type)));
    read_graph("/node", "", 0);
    connect();
    return std::move(network_);
  }

 private:
  struct Edge {
    std::string from, to;  // flattened names
  };
  // Ports of nested graphs: values pass through them.
  struct Port {
    std::string input, output;
  };

  const Item* group(const std::string& path) const {
    const auto found = content_.find(path);
    return found != content_.end() && found->second.is_group ? &found->second : nullptr;
  }
  const Item* dataset(const std::string& path) const {
    const auto found = content_.find(path);
    return found != content_.end() && !found->second.is_group ? &found->second : nullptr;
  }
  // "": none.
  std::string text(const std::string& path) const {
    const Item* item = dataset(path);
    if (item == nullptr) return "";
    const auto* texts = std::get_if<std::vector<std::string>>(&item->values);
    return texts != nullptr && texts->size() == 1 ? texts->front() : "";
  }
  // Names directly below a group.
  std::vector<std::string> members(const std::string& path) const {
    std::vector<std::string> names;
    const std::string prefix = path + "/";
    for (auto it = content_.lower_bound(prefix); it != content_.end(); ++it) {
      if (!it->first.starts_with(prefix)) break;
      const std::string rest = it->first.substr(prefix.size());
      if (rest.find('/') == rest.npos) names.push_back(rest);
    }
    return names;
  }

  void read_version() {
    network_.version = printable(text("/version"), 40);
    if (std::atoi(network_.version.c_str()) > 1)
      network_.warnings.push_back(
          fmt::format("the file is of NIR {}; what is known here is NIR 1", network_.version));
    const Item* dt = dataset("/node/metadata/dt");
    const auto* value = dt == nullptr ? nullptr : std::get_if<Tensor>(&dt->values);
    if (value != nullptr && value->size() == 1) network_.stated_dt = Array{clone(*value)}.at(0);
  }

  void read_graph(const std::string& path, const std::string& prefix, int depth) {
    if (depth > kMostNesting) refuse("graphs nested deeper than 16");
    const std::string what = prefix.empty() ? "the graph" : "node " + shown(prefix);
    if (group(path + "/nodes") == nullptr) refuse(what + " lacks nodes");
    std::vector<std::string> names = members(path + "/nodes");
    std::sort(names.begin(), names.end());
    if (names.empty())
      refuse(shown(path) +
             "/nodes holds nothing, or leads back to a group around it (endless "
             "nesting)");
    std::vector<std::string> inputs, outputs;
    for (const std::string& name : names)
      read_node(path + "/nodes/" + name, prefix, name, depth, inputs, outputs);
    if (inputs.empty()) refuse(prefix.empty() ? "no Input node" : what + " has no Input node");
    if (outputs.empty()) refuse(prefix.empty() ? "no Output node" : what + " has no Output node");
    if (!prefix.empty()) {
      if (inputs.size() > 1 || outputs.size() > 1)
        refuse(what + " is a nested graph of several Inputs or Outputs, which no edge can name");
      ports_[prefix] = {inputs[0], outputs[0]};
    }
    read_edges(path, prefix, what, names);
  }

  void read_node(const std::string& path, const std::string& prefix, const std::string& name,
                 int depth, std::vector<std::string>& inputs, std::vector<std::string>& outputs) {
    Node node;
    node.name = prefix.empty() ? name : prefix + "." + name;
    check_name(name, node);
    const std::string type = text(path + "/type");
    if (group(path) == nullptr) refuse(title_of(node) + " is no group");
    if (type.empty()) {
      const auto below = members(path);
      const bool nested = std::any_of(below.begin(), below.end(), [&](const std::string& member) {
        return group(path + "/" + member) != nullptr;
      });
      if (!nested) refuse(title_of(node) + " lacks type");
      refuse(fmt::format("node {} lacks type (a \"/\" in a name makes nested groups)",
                         in_quotes(node.name)));
    }
    if (type == "NIRGraph") return read_graph(path, node.name, depth + 1);
    const NodeType* known = find_type(type);
    if (known == nullptr) {
      std::vector<std::string> types;
      for (const NodeType& one : node_types()) types.emplace_back(one.name);
      const std::string near = nearest(type, types);
      refuse(fmt::format("{} has the unknown type {}{}", title_of(node), in_quotes(type),
                         near.empty() ? "" : " (" + near + "?)"));
    }
    node.kind = known->kind;
    read_fields(path, node);
    if (node.kind == NodeKind::kInput) inputs.push_back(node.name);
    if (node.kind == NodeKind::kOutput) outputs.push_back(node.name);
    const bool port = node.kind == NodeKind::kInput || node.kind == NodeKind::kOutput;
    if (port && !prefix.empty()) inner_.insert(node.name);
    if (network_.nodes.size() == kMostNodes) refuse("more than 16384 nodes");
    network_.nodes.push_back(std::move(node));
  }

  static void check_name(const std::string& name, const Node& node) {
    if (name.size() > 200) refuse(title_of(node) + ": a name of more than 200 bytes");
    if (printable(name, name.size() + 1) != name)
      refuse(title_of(node) + ": a name with control characters, or that is no UTF-8");
  }

  void read_fields(const std::string& path, Node& node) {
    std::set<std::string> unknown;
    for (const std::string& member : members(path)) unknown.insert(member);
    unknown.erase("type");
    unknown.erase("metadata");
    for (const Field& field : node.type().fields) {
      const Item* item = dataset(path + "/" + std::string(field.name));
      if (item == nullptr) {
        if (!field.required) continue;
        const bool old =
            dataset(path + "/v_th") != nullptr || dataset(path + "/weights") != nullptr;
        refuse(fmt::format("{} lacks {}{}", title_of(node), field.name,
                           old ? " (a file of NIR 0.0?)" : ""));
      }
      unknown.erase(std::string(field.name));
      if (auto array = read_field(*item, field, node))
        node.arrays.emplace(field.name, std::move(*array));
    }
    for (const std::string& name : unknown)
      network_.warnings.push_back(fmt::format("{}: {} is no field of {} and means nothing",
                                              title_of(node), in_quotes(name), node.type().name));
  }

  void read_edges(const std::string& path, const std::string& prefix, const std::string& what,
                  const std::vector<std::string>& names) {
    const Item* item = dataset(path + "/edges");
    if (item == nullptr) refuse("edges is missing" + (prefix.empty() ? "" : " in " + what));
    if (element_count(item->shape) == 0) return;
    if (item->shape.size() != 2 || item->shape[1] != 2)
      refuse(fmt::format("edges must have two columns, they are {}", to_string(item->shape)));
    const auto* texts = std::get_if<std::vector<std::string>>(&item->values);
    if (texts == nullptr) refuse("edges must be names of nodes");
    if (edges_.size() + texts->size() / 2 > kMostEdges) refuse("more than 65536 edges");
    std::set<std::pair<std::string, std::string>> seen;
    for (size_t i = 0; i + 1 < texts->size(); i += 2) {
      const std::string &from = (*texts)[i], &to = (*texts)[i + 1];
      for (const std::string& name : {from, to}) {
        if (!std::binary_search(names.begin(), names.end(), name))
          refuse(fmt::format("an edge names a node that does not exist{}: {} to {}; there are {}",
                             prefix.empty() ? "" : " in " + what, in_quotes(from), in_quotes(to),
                             printable(fmt::format("{}", fmt::join(names, ", ")))));
      }
      if (!seen.insert({from, to}).second) {
        network_.warnings.push_back(
            fmt::format("the edge from {} to {} stands there twice and "
                        "counts once",
                        in_quotes(from), in_quotes(to)));
        continue;
      }
      edges_.push_back({outlet(full(prefix, from)), inlet(full(prefix, to))});
    }
  }

  static std::string full(const std::string& prefix, const std::string& name) {
    return prefix.empty() ? name : prefix + "." + name;
  }
  std::string inlet(const std::string& name) const {
    const auto port = ports_.find(name);
    return port == ports_.end() ? name : port->second.input;
  }
  std::string outlet(const std::string& name) const {
    const auto port = ports_.find(name);
    return port == ports_.end() ? name : port->second.output;
  }

  // Edges by node, through the ports of nested graphs, which vanish.
  void connect() {
    std::map<std::string, std::vector<std::string>> sources;
    std::map<std::string, NodeKind> kinds;
    for (const Node& node : network_.nodes) {
      if (!kinds.emplace(node.name, node.kind).second)
        refuse("two nodes are called " + in_quotes(node.name));
    }
    for (const Edge& edge : edges_) {
      const auto ends = [&](const std::string& name, NodeKind kind) {
        return kinds.at(name) == kind && inner_.count(name) == 0;
      };
      if (ends(edge.from, NodeKind::kOutput))
        refuse("an edge leaves the Output " + in_quotes(edge.from));
      if (ends(edge.to, NodeKind::kInput))
        refuse("an edge leads into the Input " + in_quotes(edge.to));
      sources[edge.to].push_back(edge.from);
    }
    std::erase_if(network_.nodes, [&](const Node& node) { return inner_.count(node.name) > 0; });
    std::sort(network_.nodes.begin(), network_.nodes.end(),
              [](const Node& a, const Node& b) { return a.name < b.name; });
    std::map<std::string, size_t> places;
    for (const Node& node : network_.nodes) places.emplace(node.name, places.size());
    for (const Node& node : network_.nodes) {
      network_.inputs.emplace_back();
      std::vector<std::string> way;
      expand(node.name, sources, places, way);
      if (network_.inputs.back().size() > kMostEdges) refuse("more than 65536 edges");
    }
  }

  // Adds what arrives at a node or port to the last node's inputs.
  void expand(const std::string& name,
              const std::map<std::string, std::vector<std::string>>& sources,
              const std::map<std::string, size_t>& places, std::vector<std::string>& way) {
    const auto found = sources.find(name);
    if (found == sources.end()) return;
    if (way.size() > 2 * kMostNesting || std::find(way.begin(), way.end(), name) != way.end())
      refuse("a cycle without a neuron: ports of nested graphs that lead to themselves");
    way.push_back(name);
    for (const std::string& from : found->second) {
      if (network_.inputs.back().size() > kMostEdges) return;
      const auto place = places.find(from);
      if (place != places.end()) {
        network_.inputs.back().push_back(place->second);
      } else {
        expand(from, sources, places, way);
      }
    }
    way.pop_back();
  }

  const Content& content_;
  Network network_;
  std::vector<Edge> edges_;
  std::map<std::string, Port> ports_;  // of nested graphs, by flattened name
  std::set<std::string> inner_;        // Inputs and Outputs of nested graphs
};

}  // namespace

Network parse(const Content& content) {
  return Parser(content).parse();
}

}  // namespace spikeloom::nir
