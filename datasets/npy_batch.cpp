#include "datasets/npy_batch.hpp"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <utility>
#include <vector>

#include "core/error.hpp"
#include "core/io/npy.hpp"
#include "datasets/pixels.hpp"

namespace spikeloom {
namespace {

constexpr int64_t kMostClasses = int64_t{1} << 31;

std::vector<int64_t> read_labels(const std::filesystem::path& file, int64_t count) {
  const Tensor tensor = load_npy(file);
  if (tensor.shape() != Shape{count}) {
    throw Error(ErrorCode::kData, file.string() + ": expected labels of shape " +
                                      to_string({count}) + ", found " + to_string(tensor.shape()));
  }
  return integers_of(tensor, file, "labels");
}

Tensor read_batch(const std::filesystem::path& file) {
  Tensor batch = load_npy(file);
  const Shape& shape = batch.shape();
  if (shape.size() < 3 || shape.size() > 5) {
    throw Error(ErrorCode::kData, file.string() + ": expected [N,C,H,W], [N,T,C,H,W] or [N,T,C], " +
                                      "found " + to_string(shape));
  }
  if (shape[0] > 0 && batch.size() == 0) {
    throw Error(ErrorCode::kData,
                file.string() + ": samples of no values, shape " + to_string(shape));
  }
  return batch;
}

class NpyBatch final : public Dataset {
 public:
  NpyBatch(const DatasetSpec& spec, Tensor batch)
      : path_(spec.path),
        batch_(std::move(batch)),
        window_(choose_window(spec, batch_.shape()[0])),
        sample_shape_(batch_.shape().begin() + 1, batch_.shape().end()),
        normaliser_(spec.mean, spec.std, sample_shape_[sample_shape_.size() == 3 ? 0 : 1]) {
    const bool steps = sample_shape_.size() != 3, vectors = sample_shape_.size() == 2;
    const size_t c = steps ? 1 : 0;
    info_.size = window_.count;
    info_.classes = spec.classes;
    info_.frames = steps ? sample_shape_[0] : 1;
    info_.channels = sample_shape_[c];
    info_.height = vectors ? 0 : sample_shape_[c + 1];
    info_.width = vectors ? 0 : sample_shape_[c + 2];
    info_.description =
        "NumPy " + std::string(name_of(batch_.dtype())) + " " + to_string(batch_.shape());
    if (!spec.labels.empty()) {
      labels_ = read_labels(spec.labels, batch_.shape()[0]);
      check_labels(labels_, spec.classes == 0 ? kMostClasses : spec.classes, spec.labels);
      if (spec.classes == 0 && !labels_.empty()) {
        info_.classes = *std::max_element(labels_.begin(), labels_.end()) + 1;
      }
    }
  }

  const DatasetInfo& info() const noexcept override { return info_; }

  Sample load(int64_t index) const override {
    if (index < 0 || index >= info_.size) {
      throw Error(ErrorCode::kInternal,
                  "sample " + std::to_string(index) + " of " + std::to_string(info_.size));
    }
    const int64_t stored = window_.first + index;
    Tensor planes(sample_shape_, batch_.dtype());
    std::memcpy(planes.data(), batch_.data() + stored * planes.bytes(),
                static_cast<size_t>(planes.bytes()));
    planes = to_f32(planes);
    const bool vectors = info_.height == 0;
    Sample sample{Tensor(vectors ? Shape{info_.frames, info_.channels}
                                 : Shape{info_.frames, info_.height, info_.width, info_.channels}),
                  -1};
    const auto from = std::as_const(planes).f32();
    const auto to = sample.frames.f32();
    const auto channels = static_cast<size_t>(info_.channels);
    const auto pixels = static_cast<size_t>(vectors ? 1 : info_.height * info_.width);
    for (size_t i = 0; i < from.size(); ++i) {
      const size_t pixel = i % pixels, c = i / pixels % channels, frame = i / pixels / channels;
      if (!std::isfinite(from[i])) {
        throw Error(ErrorCode::kData, path_.string() + ": sample " + std::to_string(stored) +
                                          " has a value that is not finite in float32");
      }
      to[(frame * pixels + pixel) * channels + c] =
          normaliser_.given() ? normaliser_.apply(from[i], c) : from[i];
    }
    if (!labels_.empty()) sample.label = labels_[static_cast<size_t>(stored)];
    return sample;
  }

 private:
  std::filesystem::path path_;
  Tensor batch_;
  SampleWindow window_;
  Shape sample_shape_;
  Normaliser normaliser_;
  std::vector<int64_t> labels_;
  DatasetInfo info_;
};

}  // namespace

std::unique_ptr<Dataset> open_npy_batch(const DatasetSpec& spec) {
  refuse_image_options(spec);
  if (!spec.split.empty())
    throw Error(ErrorCode::kUsage, "split: npy names its files by path and labels");
  if (spec.pad != 0) throw Error(ErrorCode::kUsage, "pad: npy values are used as they are");
  if (spec.classes < 0) throw Error(ErrorCode::kUsage, "classes: negative");
  return std::make_unique<NpyBatch>(spec, read_batch(spec.path));
}

}  // namespace spikeloom
