#include "datasets/smnist.hpp"

#include <algorithm>
#include <numeric>
#include <vector>

#include "core/error.hpp"
#include "core/io/npy.hpp"
#include "datasets/idx.hpp"
#include "datasets/pixels.hpp"

namespace spikeloom {
namespace {

std::vector<int64_t> read_permutation(const std::filesystem::path& file, int64_t pixels) {
  std::vector<int64_t> order(static_cast<size_t>(pixels));
  std::iota(order.begin(), order.end(), 0);
  if (file.empty()) return order;
  const Tensor stored = load_npy(file);
  if (stored.shape() != Shape{pixels}) {
    throw Error(ErrorCode::kData, file.string() + ": expected integers [" + std::to_string(pixels) +
                                      "], found " + std::string(name_of(stored.dtype())) + " " +
                                      to_string(stored.shape()));
  }
  order = integers_of(stored, file, "numbers of pixels");
  std::vector<bool> seen(order.size());
  for (const int64_t pixel : order) {
    if (pixel < 0 || pixel >= pixels || seen[static_cast<size_t>(pixel)]) {
      throw Error(ErrorCode::kData, file.string() + ": pixel " + std::to_string(pixel) +
                                        " occurs twice or is none of " + std::to_string(pixels));
    }
    seen[static_cast<size_t>(pixel)] = true;
  }
  return order;
}

class SequentialImages final : public Dataset {
 public:
  SequentialImages(std::unique_ptr<Dataset> images, const std::filesystem::path& permutation)
      : images_(std::move(images)), info_(images_->info()) {
    order_ = read_permutation(permutation, info_.height * info_.width);
    info_.frames = info_.height * info_.width;
    info_.height = info_.width = 0;
    info_.description += permutation.empty() ? ", a pixel a step" : ", a pixel a step, permuted";
  }

  const DatasetInfo& info() const noexcept override { return info_; }

  Sample load(int64_t index) const override {
    const Sample image = images_->load(index);
    Sample sample{Tensor({info_.frames, 1}), image.label};
    for (size_t s = 0; s < order_.size(); ++s)
      sample.frames.f32()[s] = image.frames.f32()[static_cast<size_t>(order_[s])];
    return sample;
  }

 private:
  std::unique_ptr<Dataset> images_;
  DatasetInfo info_;
  std::vector<int64_t> order_;
};

}  // namespace

std::unique_ptr<Dataset> open_sequential_mnist(const DatasetSpec& spec) {
  return std::make_unique<SequentialImages>(open_idx(spec), spec.permutation);
}

}  // namespace spikeloom
