#include "datasets/whole_sequence.hpp"

#include <algorithm>

#include "core/error.hpp"

namespace spikeloom {
namespace {

class WholeSequences final : public Dataset {
 public:
  explicit WholeSequences(std::unique_ptr<Dataset> sequences)
      : sequences_(std::move(sequences)), info_(sequences_->info()) {
    info_.height = info_.frames;
    info_.width = 1;
    info_.frames = 1;
  }

  const DatasetInfo& info() const noexcept override { return info_; }

  Sample load(int64_t index) const override {
    Sample sample = sequences_->load(index);
    Shape shape = sample.frames.shape();
    shape.insert(shape.begin(), 1);
    Tensor whole(shape);
    std::copy(sample.frames.f32().begin(), sample.frames.f32().end(), whole.f32().begin());
    sample.frames = std::move(whole);
    return sample;
  }

 private:
  std::unique_ptr<Dataset> sequences_;
  DatasetInfo info_;
};

}  // namespace

std::unique_ptr<Dataset> whole_sequences(std::unique_ptr<Dataset> sequences) {
  if (sequences->info().height != 0)
    throw Error(ErrorCode::kUsage, "this network reads sequences, but the dataset holds images");
  return std::make_unique<WholeSequences>(std::move(sequences));
}

}  // namespace spikeloom
