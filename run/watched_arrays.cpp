#include "run/watched_arrays.hpp"

#include <fmt/format.h>

#include "core/error.hpp"
#include "core/io/hint.hpp"

namespace spikeloom {
namespace {

constexpr size_t kMaxListed = 200;  // characters of names in an error

// As many names as an error line holds.
std::string listed(const std::vector<std::string>& names) {
  std::string text;
  for (size_t i = 0; i < names.size(); ++i) {
    if (text.size() + names[i].size() > kMaxListed)
      return text + fmt::format(" and {} more", names.size() - i);
    text.append(i == 0 ? "" : ", ").append(names[i]);
  }
  return text;
}

[[noreturn]] void fail(const char* key, const std::string& reason) {
  throw Error(ErrorCode::kUsage, fmt::format("output.{}: {}", key, reason));
}

[[noreturn]] void fail_unknown(const char* key, const char* what, const std::string& name,
                               const std::vector<std::string>& known) {
  const std::string slip = nearest(name, known);
  fail(key, fmt::format("no {} {}{}; there are {}{}{}", what, in_quotes(name),
                        slip.empty() ? "" : fmt::format(", did you mean '{}'?", slip),
                        known.empty() ? "none" : std::to_string(known.size()),
                        known.empty() ? "" : ": ", listed(known)));
}

// The parts of a network by name, its own outputs first.
std::vector<std::string> feature_names(const Graph& graph) {
  std::vector<std::string> names;
  for (const auto& [name, node] : graph.outputs()) {
    if (name != "logits") names.push_back(name);
  }
  for (const Node& node : graph.nodes()) {
    if (node.name != "logits" && !graph.find_output(node.name)) names.push_back(node.name);
  }
  return names;
}

std::vector<std::string> neuron_names(const Graph& graph) {
  std::vector<std::string> names;
  for (const Node& node : graph.nodes()) {
    if (std::holds_alternative<Neuron>(node.op)) names.push_back(node.name);
  }
  return names;
}

WatchedArray feature_of(const Graph& graph, const std::string& name,
                        const std::filesystem::path& dir) {
  if (name == "logits") fail("features", "logits have a file of their own, logits.npy");
  const auto output = graph.find_output(name), node = output ? output : graph.find(name);
  if (!node) fail_unknown("features", "feature", name, feature_names(graph));
  return {*node, false, dir / (name + ".npy"), {}};
}

WatchedArray membrane_of(const Graph& graph, const std::string& name,
                         const std::filesystem::path& dir) {
  const auto node = graph.find(name);
  if (!node || !std::holds_alternative<Neuron>(graph.node(*node).op))
    fail_unknown("membranes", "neuron", name, neuron_names(graph));
  return {*node, true, membrane_path(dir, name), {}};
}

}  // namespace

std::filesystem::path membrane_path(const std::filesystem::path& dir, const std::string& name) {
  return dir / (name + ".v.npy");
}

std::vector<WatchedArray> watched_arrays(const Graph& graph,
                                         const std::vector<std::string>& features,
                                         const std::vector<std::string>& membranes,
                                         const std::filesystem::path& dir) {
  std::vector<WatchedArray> arrays;
  const auto add = [&](const char* key, const std::string& name, WatchedArray array) {
    for (const WatchedArray& other : arrays) {
      if (other.path == array.path) fail(key, in_quotes(name) + " is named twice");
    }
    const Shape& shape = graph.node(array.node).shape;
    array.row = {channels_of(shape)};
    array.row.insert(array.row.end(), shape.begin(), shape.end() - 1);
    arrays.push_back(std::move(array));
  };
  for (const std::string& name : features) add("features", name, feature_of(graph, name, dir));
  for (const std::string& name : membranes) add("membranes", name, membrane_of(graph, name, dir));
  return arrays;
}

void keep_arrays(const Graph& graph, const std::vector<WatchedArray>& arrays,
                 PlanOptions& options) {
  for (const WatchedArray& array : arrays) {
    auto& list = array.is_membrane ? options.membranes : options.keep;
    list.push_back(graph.node(array.node).name);
  }
}

void append_step(const Session& session, const WatchedArray& array, int64_t step,
                 std::vector<float>& to) {
  const Tensor value =
      array.is_membrane ? session.membrane(array.node, step) : session.value(array.node, step);
  const int64_t rows = rows_of(value.shape()), channels = channels_of(value.shape());
  for (int64_t c = 0; c < channels; ++c) {
    for (int64_t r = 0; r < rows; ++r)
      to.push_back(value.f32()[static_cast<size_t>(r * channels + c)]);
  }
}

}  // namespace spikeloom
