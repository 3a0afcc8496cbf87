#include "cli/feature_writers.hpp"

#include <algorithm>
#include <limits>

#include "core/error.hpp"

namespace spikeloom {

std::filesystem::path step_logits_rows(const std::filesystem::path& dir) {
  return dir / "logits_steps.rows.npy";
}

FeatureWriters::FeatureWriters(const Graph& graph, const std::vector<std::string>& names,
                               const std::filesystem::path& dir, FeatureOptions options) {
  std::string known;
  for (const auto& [name, node] : graph.outputs()) {
    if (name != "logits") known.append(known.empty() ? "" : ", ").append(name);
  }
  const auto fail = [](const std::string& reason) {
    throw Error(ErrorCode::kUsage, "output.features: " + reason);
  };
  for (const std::string& name : names) {
    const auto node = graph.find_output(name);
    if (name == "logits") fail("logits.npy is always written");
    if (std::count(names.begin(), names.end(), name) > 1) fail("'" + name + "' is named twice");
    if (!node) fail("no feature '" + name + "'; there are " + known);
    const Shape& shape = graph.node(*node).shape;
    Shape row = {options.steps, channels_of(shape)};
    row.insert(row.end(), shape.begin(), shape.end() - 1);
    add(*node, dir / (name + ".npy"), row, options.earlier);
  }
  if (!options.per_step) return;
  const NodeId logits = *graph.find_output("logits");
  add(logits, step_logits_rows(dir), {options.steps, channels_of(graph.node(logits).shape)},
      options.earlier);
  step_logits_ = dir / "logits_steps.npy";
}

void FeatureWriters::add(NodeId node, std::filesystem::path path, const Shape& row,
                         const RunState* earlier) {
  Feature feature;
  feature.node = node;
  feature.path = std::move(path);
  feature.row_size = element_count(row);
  if (earlier != nullptr) feature.earlier = earlier_output(feature.path, *earlier);
  feature.file = std::make_unique<NpyWriter>(feature.path, row);
  features_.push_back(std::move(feature));
}

void FeatureWriters::chunk(const Session& session) {
  for (Feature& feature : features_) {
    for (int64_t t = 0; t < session.last_chunk().steps; ++t) {
      const Tensor value = session.value(feature.node, t);
      const int64_t rows = rows_of(value.shape()), channels = channels_of(value.shape());
      for (int64_t c = 0; c < channels; ++c) {
        for (int64_t r = 0; r < rows; ++r)
          feature.row.push_back(value.f32()[static_cast<size_t>(r * channels + c)]);
      }
    }
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
    add_unnamed(names, feature.path, feature.file->file().temporary());
  return names;
}

void FeatureWriters::finish(bool unfinished) {
  for (Feature& feature : features_) feature.file->finish();
  if (step_logits_.empty()) return;
  const std::filesystem::path rows = features_.back().path;
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
