#pragma once
// What the readers share: the window of samples, normalisation, and images of bytes held in memory.

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "datasets/dataset.hpp"
#include "datasets/spec.hpp"

namespace spikeloom {

// The samples [first, first + count) that skip and limit leave of `size`.
struct SampleWindow {
  int64_t first = 0;
  int64_t count = 0;
};

// Error(kUsage) for a negative skip or a limit below -1; Error(kData) "no samples" when nothing is
// left.
SampleWindow choose_window(const DatasetSpec& spec, int64_t size);

// Error(kUsage) when an option that only image_folder knows is set.
void refuse_image_options(const DatasetSpec& spec);

// x -> (x - mean[c]) / std[c], two fp32 roundings in this order.
class Normaliser {
 public:
  // Error(kUsage) when a list is neither empty, one value nor one per channel, when a value is not
  // finite in fp32, or when a std is not above 0.
  Normaliser(const std::vector<double>& mean, const std::vector<double>& std, int64_t channels);
  // False when neither mean nor std was given.
  bool given() const noexcept { return given_; }
  float apply(float value, size_t channel) const noexcept {
    return (value - mean_[channel]) / std_[channel];
  }

 private:
  std::vector<float> mean_, std_;
  bool given_;
};

// The values of an integer or boolean array of a file. Error(kData) naming the file and `what` it
// should hold for any other element type.
std::vector<int64_t> integers_of(const Tensor& tensor, const std::filesystem::path& file,
                                 const char* what);

// Error(kData) naming the file and index of the first label outside 0..classes-1.
void check_labels(const std::vector<int64_t>& labels, int64_t classes,
                  const std::filesystem::path& file);

// Images as the file stores them: image i is channels x height x width bytes at offset + i *
// stride.
struct ByteImages {
  std::string description;
  std::vector<std::byte> bytes;
  size_t offset = 0;
  size_t stride = 0;
  int64_t count = 0;
  int64_t channels = 0, height = 0, width = 0;
  std::vector<int64_t> labels;  // empty: none
  int64_t classes = 0;
};

// Samples x = p / 255 in fp32, then normalised, of the image padded with bytes 0 (which are
// normalised as well).
std::unique_ptr<Dataset> make_byte_dataset(ByteImages images, const DatasetSpec& spec);

}  // namespace spikeloom
