#include "nir/content.hpp"

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

bool is_wanted(const std::string& path) {
  if (path == "/version" || path == "/node" || path == "/node/metadata/dt") return true;
  return path.starts_with("/node/") && path.find("/metadata/") == path.npos;
}

// Reads numbers as they are stored; in Tensors they are fp32 or fp64.
template <typename T>
Tensor read_as(const ForeignFile& file, const Object& object, DType type) {
  file.claim(object, type == DType::kF32 ? 4 : 8);
  Tensor values(object.shape, type);
  if constexpr (std::is_same_v<T, float> || std::is_same_v<T, double>) {
    file.read<T>(object, Shape(object.shape.size(), 0), object.shape, values.as<T>());
  } else {
    const std::vector<T> whole = file.read_all<T>(object);
    std::copy(whole.begin(), whole.end(), values.as<double>().begin());
  }
  return values;
}

Item read_item(const ForeignFile& file, const Object& object) {
  Item item;
  item.is_group = object.kind == ObjectKind::kGroup;
  item.shape = object.shape;
  if (object.kind == ObjectKind::kSoftLink || object.kind == ObjectKind::kType) {
    throw Error(ErrorCode::kData, printable(object.path) + " is a link or a type, not a dataset");
  }
  if (item.is_group) return item;
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
    content.emplace(object.path, read_item(file, object));
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
