#include "datasets/cifar10.hpp"

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

// Appends the records of one file.
void append(const std::filesystem::path& file, ByteImages& images) {
  std::vector<std::byte> bytes = read_file(file);
  if (bytes.size() % kRecord != 0) {
    throw Error(ErrorCode::kData, file.string() + ": " + std::to_string(bytes.size()) +
                                      " bytes, expected a multiple of " + std::to_string(kRecord));
  }
  std::vector<int64_t> labels;
  for (size_t at = 0; at < bytes.size(); at += kRecord) {
    labels.push_back(std::to_integer<int64_t>(bytes[at]));
  }
  check_labels(labels, kClasses, file);
  images.labels.insert(images.labels.end(), labels.begin(), labels.end());
  if (images.bytes.empty()) {
    images.bytes = std::move(bytes);
  } else {
    images.bytes.insert(images.bytes.end(), bytes.begin(), bytes.end());
  }
}

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
  for (const auto& file : files_of(spec)) append(file, images);
  images.count = static_cast<int64_t>(images.labels.size());
  images.offset = 1;
  images.stride = kRecord;
  images.channels = kChannels;
  images.height = images.width = kSide;
  images.classes = kClasses;
  images.description = "CIFAR-10, " + std::to_string(images.count) + " images of 32x32";
  return make_byte_dataset(std::move(images), spec);
}

}  // namespace spikeloom
