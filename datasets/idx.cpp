#include "datasets/idx.hpp"

#include <algorithm>
#include <array>
#include <functional>
#include <memory>
#include <string_view>
#include <vector>

#include "core/error.hpp"
#include "core/shape.hpp"
#include "datasets/gzip.hpp"
#include "datasets/pixels.hpp"

namespace spikeloom {
namespace {

constexpr uint64_t kHeadBytes = 4 + 3 * 4;  // of images: magic, extents

// Reads the head of an array of unsigned bytes of the given rank: its shape, which the bytes of the
// file justify. The file stands behind it.
Shape read_idx_head(MaybeGzip& file, const std::filesystem::path& path, int rank) {
  std::array<std::byte, 4> magic{};
  file.read(magic);
  const std::array<std::byte, 4> wanted{std::byte{0}, std::byte{0}, std::byte{0x08},
                                        static_cast<std::byte>(rank)};
  if (magic != wanted) {
    std::string hex;
    for (const std::byte b : magic) {
      constexpr char kDigits[] = "0123456789abcdef";
      const int value = std::to_integer<int>(b);
      if (!hex.empty()) hex += ' ';
      hex += kDigits[value >> 4];
      hex += kDigits[value & 15];
    }
    throw Error(ErrorCode::kData, path.string() + ": expected IDX of unsigned bytes of rank " +
                                      std::to_string(rank) + " (00 00 08 0" + std::to_string(rank) +
                                      "), found " + hex + " at byte 0");
  }
  Shape shape;
  for (int d = 0; d < rank; ++d) {
    std::array<std::byte, 4> extent{};
    file.read(extent);
    int64_t value = 0;
    for (const std::byte b : extent) value = value << 8 | std::to_integer<int64_t>(b);
    shape.push_back(value);
  }
  try {
    file.justify(static_cast<uint64_t>(element_count(shape)));
  } catch (const Error& error) {
    const bool named = std::string_view(error.what()).starts_with(path.string());
    throw named ? error : error.in_file(path);
  }
  return shape;
}

// The entries of the window, each of `bytes` bytes; where it ends with the array, the end of the
// file is checked.
std::vector<std::byte> read_window(MaybeGzip& file, const SampleWindow& window, int64_t stored,
                                   size_t bytes) {
  std::vector<std::byte> data(static_cast<size_t>(window.count) * bytes);
  file.skip(static_cast<uint64_t>(window.first) * bytes);
  file.read(data);
  if (window.first + window.count == stored) file.expect_end();
  return data;
}

// Images of a plain file stay there; those of a compressed one are inflated up to the last of the
// window.
std::function<void(int64_t, std::span<std::byte>)> image_reader(const std::filesystem::path& path,
                                                                MaybeGzip& file,
                                                                const SampleWindow& window,
                                                                int64_t stored, size_t bytes) {
  if (!file.is_gzip()) {
    const auto plain = std::make_shared<const InputFile>(path);
    return [plain, bytes](int64_t index, std::span<std::byte> image) {
      plain->read_at(kHeadBytes + static_cast<uint64_t>(index) * bytes, image);
      plain->check_unchanged();
    };
  }
  const auto held =
      std::make_shared<const std::vector<std::byte>>(read_window(file, window, stored, bytes));
  return [held, first = window.first, bytes](int64_t index, std::span<std::byte> image) {
    std::copy_n(
        held->begin() + static_cast<std::ptrdiff_t>(static_cast<size_t>(index - first) * bytes),
        bytes, image.begin());
  };
}

}  // namespace

std::unique_ptr<Dataset> open_idx(const DatasetSpec& spec) {
  refuse_image_options(spec);
  if (!spec.split.empty())
    throw Error(ErrorCode::kUsage, "split: idx names its files by path and labels");
  if (spec.classes < 0) throw Error(ErrorCode::kUsage, "classes: negative");
  MaybeGzip file(spec.path);
  const Shape shape = read_idx_head(file, spec.path, 3);
  ByteImages images;
  images.count = shape[0];
  images.channels = 1;
  images.height = shape[1];
  images.width = shape[2];
  const int64_t bytes = element_count(shape);
  if (images.count > 0 && bytes == 0) {
    throw Error(ErrorCode::kData,
                spec.path.string() + ": images of no pixels, shape " + to_string(shape));
  }
  const SampleWindow window = choose_window(spec, images.count);
  images.classes = spec.classes;
  images.description = "IDX, " + std::to_string(images.count) + " images of " +
                       std::to_string(images.height) + "x" + std::to_string(images.width);
  images.read = image_reader(spec.path, file, window, images.count,
                             static_cast<size_t>(bytes / images.count));
  if (!spec.labels.empty()) {
    MaybeGzip labels(spec.labels);
    const int64_t count = read_idx_head(labels, spec.labels, 1)[0];
    if (count != images.count) {
      throw Error(ErrorCode::kData, spec.labels.string() + ": " + std::to_string(count) +
                                        " labels for " + std::to_string(images.count) + " images");
    }
    for (const std::byte b : read_window(labels, window, count, 1))
      images.labels.push_back(std::to_integer<int64_t>(b));
    if (images.classes == 0) images.classes = 10;
    check_labels(images.labels, images.classes, spec.labels, window.first);
  }
  return make_byte_dataset(std::move(images), spec);
}

}  // namespace spikeloom
