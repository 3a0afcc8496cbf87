#include "datasets/npy_batch.hpp"

#include <algorithm>
#include <utility>
#include <vector>

#include "core/error.hpp"
#include "core/io/npy.hpp"
#include "datasets/pixels.hpp"

namespace spikeloom {
namespace {

constexpr int64_t kMostClasses = int64_t{1} << 31;
constexpr int64_t kLabelBlock = int64_t{1} << 16;

// Of the window. The number of classes is the spec's, or that of the greatest label in the file.
struct Labels {
  std::vector<int64_t> values;
  int64_t classes = 0;
};

std::vector<int64_t> labels_in(const NpyFile& file, int64_t first, int64_t count, int64_t classes,
                               const std::filesystem::path& path) {
  std::vector<int64_t> labels = integers_of(file.part(first, count), path, "labels");
  check_labels(labels, classes, path, first);
  return labels;
}

Labels read_labels(const DatasetSpec& spec, int64_t stored, const SampleWindow& window) {
  const NpyFile file = open_npy(spec.labels, spec.label_values.get());
  if (file.shape() != Shape{stored}) {
    throw Error(ErrorCode::kData, spec.labels.string() + ": expected labels of shape " +
                                      to_string({stored}) + ", found " + to_string(file.shape()));
  }
  const int64_t most = spec.classes == 0 ? kMostClasses : spec.classes;
  Labels labels{labels_in(file, window.first, window.count, most, spec.labels), spec.classes};
  if (spec.classes != 0) return labels;
  for (int64_t at = 0; at < stored; at += kLabelBlock) {
    const auto block = labels_in(file, at, std::min(kLabelBlock, stored - at), most, spec.labels);
    labels.classes = std::max(labels.classes, *std::max_element(block.begin(), block.end()) + 1);
  }
  return labels;
}

const Shape& checked_shape(const NpyFile& file, const std::filesystem::path& path) {
  const Shape& shape = file.shape();
  if (shape.size() < 3 || shape.size() > 5) {
    throw Error(ErrorCode::kData, path.string() + ": expected [N,C,H,W], [N,T,C,H,W] or [N,T,C], " +
                                      "found " + to_string(shape));
  }
  if (shape[0] > 0 && element_count(shape) == 0)
    throw Error(ErrorCode::kData,
                path.string() + ": samples of no values, shape " + to_string(shape));
  return shape;
}

// As NumPy calls it: unsigned integers are wider in a tensor.
std::string stored_type(const NpyHeader& header) {
  if (header.descr.size() != 3 || header.descr[1] != 'u' || header.element_bytes == 1)
    return std::string(name_of(*header.dtype));
  return "uint" + std::to_string(8 * header.element_bytes);
}

class NpyBatch final : public Dataset {
 public:
  explicit NpyBatch(const DatasetSpec& spec)
      : path_(spec.path),
        file_(open_npy(spec.path, spec.values.get())),
        window_(choose_window(spec, checked_shape(file_, path_)[0])),
        sample_shape_(file_.shape().begin() + 1, file_.shape().end()),
        normaliser_(spec.mean, spec.std, sample_shape_[sample_shape_.size() == 3 ? 0 : 1]) {
    const bool steps = sample_shape_.size() != 3, vectors = sample_shape_.size() == 2;
    const size_t c = steps ? 1 : 0;
    info_.size = window_.count;
    info_.classes = spec.classes;
    info_.frames = steps ? sample_shape_[0] : 1;
    info_.channels = sample_shape_[c];
    info_.height = vectors ? 0 : sample_shape_[c + 1];
    info_.width = vectors ? 0 : sample_shape_[c + 2];
    info_.description = "NumPy " + stored_type(file_.header()) + " " + to_string(file_.shape());
    if (!spec.labels.empty()) {
      Labels labels = read_labels(spec, file_.shape()[0], window_);
      labels_ = std::move(labels.values);
      info_.classes = labels.classes;
    }
    // Samples are spread over the whole file: one pass for all of them.
    if (file_.header().fortran_order) window_values_ = file_.part(window_.first, window_.count);
  }

  const DatasetInfo& info() const noexcept override { return info_; }

  Sample load(int64_t index) const override {
    if (index < 0 || index >= info_.size) {
      throw Error(ErrorCode::kInternal,
                  "sample " + std::to_string(index) + " of " + std::to_string(info_.size));
    }
    const int64_t stored = window_.first + index;
    Tensor planes =
        window_values_.size() > 0 ? part_of(window_values_, index, 1) : file_.part(stored, 1);
    if (planes.dtype() != DType::kF32) planes = to_f32(planes);
    if (!all_finite(planes.f32())) {
      throw Error(ErrorCode::kData, path_.string() + ": sample " + std::to_string(stored) +
                                        " has a value that is not finite in float32");
    }
    Sample sample{channels_last(planes), -1};
    if (!labels_.empty()) sample.label = labels_[static_cast<size_t>(index)];
    return sample;
  }

 private:
  // The one copy of a sample.
  Tensor channels_last(const Tensor& planes) const {
    const bool vectors = info_.height == 0;
    Shape shape = vectors ? Shape{info_.frames, info_.channels}
                          : Shape{info_.frames, info_.height, info_.width, info_.channels};
    const int64_t channels = info_.channels, pixels = vectors ? 1 : info_.height * info_.width;
    Tensor frames(std::move(shape));
    const float* from = planes.f32().data();
    float* const end = frames.f32().data() + frames.size();
    for (float* frame = frames.f32().data(); frame != end; frame += pixels * channels) {
      for (int64_t c = 0; c < channels; ++c, from += pixels) {
        if (normaliser_.given()) {
          for (int64_t pixel = 0; pixel < pixels; ++pixel)
            frame[pixel * channels + c] = normaliser_.apply(from[pixel], static_cast<size_t>(c));
        } else {
          for (int64_t pixel = 0; pixel < pixels; ++pixel)
            frame[pixel * channels + c] = from[pixel];
        }
      }
    }
    return frames;
  }

  std::filesystem::path path_;
  NpyFile file_;
  SampleWindow window_;
  Shape sample_shape_;
  Normaliser normaliser_;
  Tensor window_values_;         // Fortran order only
  std::vector<int64_t> labels_;  // of the window
  DatasetInfo info_;
};

}  // namespace

std::unique_ptr<Dataset> open_npy_batch(const DatasetSpec& spec) {
  refuse_image_options(spec);
  if (!spec.split.empty())
    throw Error(ErrorCode::kUsage, "split: npy names its files by path and labels");
  if (spec.pad != 0) throw Error(ErrorCode::kUsage, "pad: npy values are used as they are");
  if (spec.classes < 0) throw Error(ErrorCode::kUsage, "classes: negative");
  return std::make_unique<NpyBatch>(spec);
}

}  // namespace spikeloom
