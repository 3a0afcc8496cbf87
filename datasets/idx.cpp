#include "datasets/idx.hpp"

#include <array>
#include <vector>

#include "core/error.hpp"
#include "core/shape.hpp"
#include "datasets/gzip.hpp"
#include "datasets/pixels.hpp"

namespace spikeloom {
namespace {

struct IdxBytes {
  Shape shape;
  std::vector<std::byte> data;
};

// Reads an array of unsigned bytes of the given rank. Nothing is allocated before the header is
// justified.
IdxBytes read_idx(const std::filesystem::path& path, int rank) {
  MaybeGzip file(path);
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
  IdxBytes result;
  for (int d = 0; d < rank; ++d) {
    std::array<std::byte, 4> extent{};
    file.read(extent);
    int64_t value = 0;
    for (const std::byte b : extent) value = value << 8 | std::to_integer<int64_t>(b);
    result.shape.push_back(value);
  }
  int64_t count = 0;
  try {
    count = element_count(result.shape);
  } catch (const Error& error) {
    throw error.in(path.string());
  }
  file.justify(static_cast<uint64_t>(count));
  result.data.resize(static_cast<size_t>(count));
  file.read(result.data);
  file.expect_end();
  return result;
}

}  // namespace

std::unique_ptr<Dataset> open_idx(const DatasetSpec& spec) {
  refuse_image_options(spec);
  if (!spec.split.empty())
    throw Error(ErrorCode::kUsage, "split: idx names its files by path and labels");
  if (spec.classes < 0) throw Error(ErrorCode::kUsage, "classes: negative");
  IdxBytes read = read_idx(spec.path, 3);
  ByteImages images;
  images.count = read.shape[0];
  images.channels = 1;
  images.height = read.shape[1];
  images.width = read.shape[2];
  if (images.count > 0 && read.data.empty()) {
    throw Error(ErrorCode::kData,
                spec.path.string() + ": images of no pixels, shape " + to_string(read.shape));
  }
  // Not height times width, which may overflow where there is no image to bound them.
  if (images.count > 0) images.stride = read.data.size() / static_cast<size_t>(images.count);
  images.bytes = std::move(read.data);
  images.classes = spec.classes;
  images.description = "IDX, " + std::to_string(images.count) + " images of " +
                       std::to_string(images.height) + "x" + std::to_string(images.width);
  if (!spec.labels.empty()) {
    const IdxBytes labels = read_idx(spec.labels, 1);
    if (labels.shape[0] != images.count) {
      throw Error(ErrorCode::kData, spec.labels.string() + ": " + std::to_string(labels.shape[0]) +
                                        " labels for " + std::to_string(images.count) + " images");
    }
    for (const std::byte b : labels.data) images.labels.push_back(std::to_integer<int64_t>(b));
    if (images.classes == 0) images.classes = 10;
    check_labels(images.labels, images.classes, spec.labels);
  }
  return make_byte_dataset(std::move(images), spec);
}

}  // namespace spikeloom
