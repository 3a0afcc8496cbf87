#include "cli/feature_writers.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <limits>

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

std::filesystem::path step_logits_rows(const std::filesystem::path& dir) {
  return dir / "logits_steps.rows.npy";
}

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

FeatureWriters::FeatureWriters(const Graph& graph, const std::vector<WatchedArray>& arrays,
                               const std::filesystem::path& dir, FeatureOptions options) {
  for (const WatchedArray& array : arrays) add(array, options);
  if (!options.per_step) return;
  const NodeId logits = *graph.find_output("logits");
  add({logits, false, step_logits_rows(dir), {channels_of(graph.node(logits).shape)}}, options);
  step_logits_ = dir / "logits_steps.npy";
}

void FeatureWriters::add(const WatchedArray& array, const FeatureOptions& options) {
  Feature feature;
  feature.array = array;
  Shape row = array.row;
  row.insert(row.begin(), options.steps);
  feature.row_size = element_count(row);
  if (options.earlier != nullptr) feature.earlier = earlier_output(array.path, *options.earlier);
  feature.file = std::make_unique<NpyWriter>(array.path, row);
  features_.push_back(std::move(feature));
}

void FeatureWriters::chunk(const Session& session) {
  for (Feature& feature : features_) {
    feature.row.reserve(static_cast<size_t>(feature.row_size));
    for (int64_t t = 0; t < session.last_chunk().steps; ++t)
      append_step(session, feature.array, t, feature.row);
  }
}

void FeatureWriters::end_sample() {
  for (Feature& feature : features_) {
    feature.file->append(feature.row);
    feature.row.clear();
  }
}

void FeatureWriters::broken_sample() {
  for (Feature& feature : features_) {
    feature.row.assign(static_cast<size_t>(feature.row_size),
                       std::numeric_limits<float>::quiet_NaN());
  }
  end_sample();
}

void FeatureWriters::flush() {
  for (Feature& feature : features_) feature.file->flush();
}

void FeatureWriters::keep_partial() {
  for (Feature& feature : features_) feature.file->keep_partial();
}

void FeatureWriters::resume(int64_t rows) {
  for (Feature& feature : features_) feature.file->copy_rows(feature.earlier.path(), rows);
}

void FeatureWriters::release() {
  for (Feature& feature : features_) feature.earlier = ClaimedFile();
}

std::map<std::string, std::string> FeatureWriters::unnamed() const {
  std::map<std::string, std::string> names;
  for (const Feature& feature : features_)
    add_unnamed(names, feature.array.path, feature.file->file().temporary());
  return names;
}

void FeatureWriters::finish(bool unfinished) {
  for (Feature& feature : features_) feature.file->finish();
  if (step_logits_.empty()) return;
  const std::filesystem::path rows = features_.back().array.path;
  const Tensor by_sample = load_npy(rows);
  const Shape& shape = by_sample.shape();
  NpyWriter by_step(step_logits_, {shape[0], shape[2]});
  std::vector<float> step(static_cast<size_t>(shape[0] * shape[2]));
  for (int64_t t = 0; t < shape[1]; ++t) {
    for (int64_t b = 0; b < shape[0]; ++b) {
      std::copy_n(by_sample.f32().begin() + (b * shape[1] + t) * shape[2], shape[2],
                  step.begin() + b * shape[2]);
    }
    by_step.append(step);
  }
  by_step.finish();
  std::error_code ignored;
  if (!unfinished) std::filesystem::remove(rows, ignored);
}

}  // namespace spikeloom
