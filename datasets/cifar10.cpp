#include "datasets/cifar10.hpp"

#include <algorithm>
#include <iterator>
#include <utility>
#include <vector>

#include "core/error.hpp"
#include "core/io/file.hpp"
#include "datasets/pixels.hpp"

namespace spikeloom {
namespace {

constexpr int64_t kSide = 32;
constexpr int64_t kChannels = 3;
constexpr int64_t kClasses = 10;
constexpr size_t kRecord = 1 + kChannels * kSide * kSide;

std::vector<std::filesystem::path> files_of(const DatasetSpec& spec) {
  if (!std::filesystem::is_directory(spec.path)) {
    if (!spec.split.empty()) {
      throw Error(ErrorCode::kUsage,
                  "split: cifar10 splits a folder, and " + spec.path.string() + " is none");
    }
    return {spec.path};
  }
  if (spec.split == "test") return {spec.path / "test_batch.bin"};
  if (spec.split != "train") {
    throw Error(ErrorCode::kUsage, "split: expected train or test for the folder " +
                                       spec.path.string() + ", found \"" + spec.split + "\"");
  }
  std::vector<std::filesystem::path> files;
  for (const char digit : {'1', '2', '3', '4', '5'}) {
    files.push_back(spec.path / (std::string("data_batch_") + digit + ".bin"));
  }
  return files;
}

// The records of all files as one row of them.
class Records {
 public:
  explicit Records(const std::vector<std::filesystem::path>& files) {
    for (const auto& file : files) {
      auto opened = std::make_unique<InputFile>(file);
      if (opened->size() % kRecord != 0) {
        throw Error(ErrorCode::kData, file.string() + ": " + std::to_string(opened->size()) +
                                          " bytes, expected a multiple of " +
                                          std::to_string(kRecord));
      }
      const auto count = static_cast<int64_t>(opened->size() / kRecord);
      parts_.push_back({file, std::move(opened), count_});
      count_ += count;
    }
  }
  int64_t count() const { return count_; }
  void read_image(int64_t index, std::span<std::byte> image) const { read(index, 1, image); }
  int64_t read_label(int64_t index) const {
    std::byte label[1];
    const auto [part, inside] = read(index, 0, label);
    const auto value = std::to_integer<int64_t>(label[0]);
    check_labels({value}, kClasses, part->path, inside);
    return value;
  }

 private:
  struct Part {
    std::filesystem::path path;
    std::unique_ptr<InputFile> file;
    int64_t first;  // index of its first record
  };
  // Returns the file and the index inside it.
  std::pair<const Part*, int64_t> read(int64_t index, uint64_t offset,
                                       std::span<std::byte> to) const {
    const auto next =
        std::upper_bound(parts_.begin(), parts_.end(), index,
                         [](int64_t at, const Part& part) { return at < part.first; });
    const Part& part = *std::prev(next);
    const int64_t inside = index - part.first;
    part.file->read_at(static_cast<uint64_t>(inside) * kRecord + offset, to);
    part.file->check_unchanged();
    return {&part, inside};
  }

  std::vector<Part> parts_;
  int64_t count_ = 0;
};

}  // namespace

std::unique_ptr<Dataset> open_cifar10(const DatasetSpec& spec) {
  refuse_image_options(spec);
  if (!spec.labels.empty())
    throw Error(ErrorCode::kUsage, "labels: cifar10 has its labels in the records");
  if (spec.classes != 0 && spec.classes != kClasses) {
    throw Error(ErrorCode::kUsage,
                "classes: cifar10 has 10, found " + std::to_string(spec.classes));
  }
  ByteImages images;
  const auto records = std::make_shared<const Records>(files_of(spec));
  images.count = records->count();
  images.read = [records](int64_t index, std::span<std::byte> image) {
    records->read_image(index, image);
  };
  const SampleWindow window = choose_window(spec, images.count);
  for (int64_t i = 0; i < window.count; ++i)
    images.labels.push_back(records->read_label(window.first + i));
  images.channels = kChannels;
  images.height = images.width = kSide;
  images.classes = kClasses;
  images.description = "CIFAR-10, " + std::to_string(images.count) + " images of 32x32";
  return make_byte_dataset(std::move(images), spec);
}

}  // namespace spikeloom
