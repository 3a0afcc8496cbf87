#pragma once
// What the readers share: the window of samples, normalisation, and images of bytes.

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <span>
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
// `first`: the index of the first of them in the file.
void check_labels(const std::vector<int64_t>& labels, int64_t classes,
                  const std::filesystem::path& file, int64_t first = 0);

// Images of channels x height x width bytes, wherever they are.
struct ByteImages {
  std::string description;
  int64_t count = 0;  // stored
  int64_t channels = 0, height = 0, width = 0;
  // Fills `image` with the bytes of stored image `index`; asked for those of the window only, from
  // several threads. Throws Error(kData).
  std::function<void(int64_t index, std::span<std::byte> image)> read;
  std::vector<int64_t> labels;  // of the window; empty: none
  int64_t classes = 0;
};

// Samples x = p / 255 in fp32, then normalised, of the image padded with bytes 0 (which are
// normalised as well).
std::unique_ptr<Dataset> make_byte_dataset(ByteImages images, const DatasetSpec& spec);

}  // namespace spikeloom
