#include "cli/feature_writers.hpp"

#include <algorithm>
#include <limits>

#include "cli/checkpoint.hpp"
#include "core/error.hpp"

namespace spikeloom {

FeatureWriters::FeatureWriters(const Graph& graph, const std::vector<std::string>& names,
                               const std::filesystem::path& dir, int64_t steps, bool earlier) {
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
    Shape row = {steps, channels_of(shape)};
    row.insert(row.end(), shape.begin(), shape.end() - 1);
    Feature feature;
    feature.node = *node;
    feature.path = dir / (name + ".npy");
    feature.row_size = element_count(row);
    feature.earlier = earlier ? set_aside(feature.path) : std::filesystem::path();
    feature.file = std::make_unique<NpyWriter>(feature.path, row);
    features_.push_back(std::move(feature));
  }
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
  for (Feature& feature : features_) feature.file->copy_rows(feature.earlier, rows);
}

void FeatureWriters::finish() {
  for (Feature& feature : features_) feature.file->finish();
}

}  // namespace spikeloom
