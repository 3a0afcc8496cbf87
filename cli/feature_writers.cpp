#include "cli/feature_writers.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <limits>

#include "core/error.hpp"
#include "core/io/hint.hpp"

namespace spikeloom {

std::filesystem::path step_logits_rows(const std::filesystem::path& dir) {
  return dir / "logits_steps.rows.npy";
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
