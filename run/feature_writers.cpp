#include "run/feature_writers.hpp"

#include <algorithm>
#include <limits>

namespace spikeloom {
namespace {

// [samples, steps, classes] as [steps, samples, classes].
void write_step_logits(const std::filesystem::path& rows, const std::filesystem::path& to) {
  const Tensor by_sample = load_npy(rows);
  const Shape& shape = by_sample.shape();
  NpyWriter by_step(to, {shape[0], shape[2]});
  std::vector<float> step(static_cast<size_t>(shape[0] * shape[2]));
  for (int64_t t = 0; t < shape[1]; ++t) {
    for (int64_t b = 0; b < shape[0]; ++b) {
      std::copy_n(by_sample.f32().begin() + (b * shape[1] + t) * shape[2], shape[2],
                  step.begin() + b * shape[2]);
    }
    by_step.append(step);
  }
  by_step.finish();
}

}  // namespace

std::filesystem::path step_logits_rows(const std::filesystem::path& dir) {
  return dir / "logits_steps.rows.npy";
}

FeatureWriters::FeatureWriters(const std::vector<WatchedArray>& arrays, int64_t steps,
                               const RunState* earlier)
    : by_step_(steps == 0) {
  for (const WatchedArray& array : arrays) {
    Feature feature;
    feature.array = array;
    Shape row = array.row;
    if (!by_step_) row.insert(row.begin(), steps);
    feature.row_size = element_count(row);
    if (earlier != nullptr) feature.earlier = earlier_output(array.path, *earlier);
    feature.file = std::make_unique<NpyWriter>(array.path, row);
    features_.push_back(std::move(feature));
  }
}

void FeatureWriters::add(std::vector<std::vector<float>>& rows) {
  for (size_t f = 0; f < features_.size(); ++f) {
    Feature& feature = features_[f];
    if (by_step_) {
      feature.file->append(rows[f]);
    } else if (feature.row.empty()) {
      feature.row = std::move(rows[f]);
    } else {
      feature.row.reserve(static_cast<size_t>(feature.row_size));
      feature.row.insert(feature.row.end(), rows[f].begin(), rows[f].end());
    }
  }
}

void FeatureWriters::end_sample() {
  if (by_step_) return;
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

void FeatureWriters::finish(const Shape& leading, bool unfinished) {
  for (Feature& feature : features_) {
    by_step_ ? feature.file->finish(leading) : feature.file->finish();
    const std::filesystem::path& path = feature.array.path;
    if (path != step_logits_rows(path.parent_path())) continue;
    write_step_logits(path, path.parent_path() / "logits_steps.npy");
    std::error_code ignored;
    if (!unfinished) std::filesystem::remove(path, ignored);
  }
}

}  // namespace spikeloom
