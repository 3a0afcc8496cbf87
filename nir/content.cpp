#include "nir/content.hpp"

#include <fmt/format.h>

#include <algorithm>

#include "core/error.hpp"
#include "core/io/hdf5/foreign_file.hpp"
#include "core/io/hint.hpp"

namespace spikeloom::nir {
namespace {

using hdf5::ForeignFile;
using hdf5::Object;
using hdf5::ObjectKind;
using hdf5::ValueKind;

// Deflate makes at most so much of a byte.
constexpr int64_t kMostInflation = 1100, kSmall = 1 << 16;

bool is_wanted(const std::string& path) {
  if (path == "/version" || path == "/node" || path == "/node/metadata/dt") return true;
  return path.starts_with("/node/") && path.find("/metadata/") == path.npos;
}

// Refuses, before there is memory for it, what a file of that size cannot hold.
void check_size(const Object& object, int64_t bytes_of_file) {
  const int64_t count = element_count(object.shape);
  const int64_t most = (bytes_of_file + kSmall) * kMostInflation;
  if (count <= most / 8) return;
  throw Error(ErrorCode::kData, fmt::format("{} declares {} elements, more than the file can hold",
                                            printable(object.path), count));
}

// Reads numbers as they are stored; in Tensors they are fp32 or fp64.
template <typename T>
Tensor read_as(const ForeignFile& file, const Object& object, DType type) {
  const Shape start(object.shape.size(), 0);
  Tensor values(object.shape, type);
  if constexpr (std::is_same_v<T, float> || std::is_same_v<T, double>) {
    file.read<T>(object, start, object.shape, values.as<T>());
  } else {
    std::vector<T> whole(static_cast<size_t>(values.size()));
    file.read<T>(object, start, object.shape, std::span<T>(whole));
    std::copy(whole.begin(), whole.end(), values.as<double>().begin());
  }
  return values;
}

Item read_item(const ForeignFile& file, const Object& object, int64_t bytes_of_file) {
  Item item;
  item.is_group = object.kind == ObjectKind::kGroup;
  item.shape = object.shape;
  if (object.kind == ObjectKind::kSoftLink || object.kind == ObjectKind::kType) {
    throw Error(ErrorCode::kData, printable(object.path) + " is a link or a type, not a dataset");
  }
  if (item.is_group) return item;
  check_size(object, bytes_of_file);
  switch (object.type.kind) {
    case ValueKind::kText: item.values = file.read_texts(object); break;
    case ValueKind::kInteger: item.values = read_as<int64_t>(file, object, DType::kF64); break;
    case ValueKind::kUnsigned: item.values = read_as<uint64_t>(file, object, DType::kF64); break;
    case ValueKind::kReal:
      item.values = object.type.bytes <= 4 ? read_as<float>(file, object, DType::kF32)
                                           : read_as<double>(file, object, DType::kF64);
      break;
    case ValueKind::kOther: break;
  }
  return item;
}

}  // namespace

Content read_content(const std::filesystem::path& path) {
  std::error_code unknown;
  const auto size = std::filesystem::file_size(path, unknown);
  if (!unknown && size == 0) throw Error(ErrorCode::kData, "an empty file, not HDF5");
  const ForeignFile file(path);
  Content content;
  for (const Object& object : file.objects()) {
    if (!is_wanted(object.path)) continue;
    content.emplace(object.path,
                    read_item(file, object,
                              static_cast<int64_t>(std::min<uintmax_t>(size, uintmax_t{1} << 40))));
  }
  return content;
}

bool may_be_nir(const std::filesystem::path& path) {
  if (path.extension() == ".nir") return true;
  try {
    const ForeignFile file(path);
    const Object* node = file.find("/node");
    return node != nullptr && node->kind == ObjectKind::kGroup;
  } catch (const Error&) {
    return false;
  }
}

}  // namespace spikeloom::nir
