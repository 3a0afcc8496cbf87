#include "sim/trace/trace_source.hpp"

#include <algorithm>
#include <cmath>

#include "core/error.hpp"
#include "core/io/hdf5/hdf5_journal.hpp"
#include "core/io/hint.hpp"

namespace spikeloom::hdf5 {
namespace {

constexpr size_t kMaxAttributeText = 64 << 10;
constexpr size_t kMaxAttributeValues = 64;

[[noreturn]] void damaged(const std::string& what) {
  throw Error(ErrorCode::kData, what);
}

const Attribute* find_attribute(const Object& object, const std::string& name) {
  const auto found = std::find_if(object.attributes.begin(), object.attributes.end(),
                                  [&](const Attribute& a) { return a.name == name; });
  return found == object.attributes.end() ? nullptr : &*found;
}

template <typename T>
hid_t memory_type_of() {
  if constexpr (std::is_same_v<T, uint8_t>) return H5T_NATIVE_UINT8;
  if constexpr (std::is_same_v<T, uint32_t>) return H5T_NATIVE_UINT32;
  if constexpr (std::is_same_v<T, uint64_t>) return H5T_NATIVE_UINT64;
  if constexpr (std::is_same_v<T, int64_t>) return H5T_NATIVE_INT64;
  return H5T_NATIVE_DOUBLE;
}

// "/a/b" -> "/a", "b"
std::pair<std::string, std::string> split(const std::string& path) {
  const size_t slash = path.rfind('/');
  return {slash == 0 ? "/" : path.substr(0, slash), path.substr(slash + 1)};
}

Id open_object(const Id& file, const std::string& path) {
  return Id(H5Oopen(file.get(), path.c_str(), H5P_DEFAULT), H5Oclose, "open " + printable(path));
}

Id open_group(const Id& file, const std::string& path) {
  return Id(H5Gopen2(file.get(), path.c_str(), H5P_DEFAULT), H5Gclose, "open " + printable(path));
}

}  // namespace

template <typename T>
void RowSource::read(int64_t first, int64_t rows, T* values) const {
  if (own_) return own_.read(first, rows, memory_type_of<T>(), values);
  Shape start{first}, count{rows};
  if (width_ != 0) start.push_back(0), count.push_back(width_);
  file_->read(*object_, start, count,
              std::span(values, static_cast<size_t>(rows * std::max<int64_t>(1, width_))));
}

template void RowSource::read(int64_t, int64_t, uint8_t*) const;
template void RowSource::read(int64_t, int64_t, uint32_t*) const;
template void RowSource::read(int64_t, int64_t, uint64_t*) const;
template void RowSource::read(int64_t, int64_t, int64_t*) const;
template void RowSource::read(int64_t, int64_t, double*) const;

TraceSource::TraceSource(const std::filesystem::path& path) : path_(path) {
  try {
    refuse_hostile(path);
    file_ = open_file(path.string());
  } catch (const UnknownStructure&) {
    // A journal belongs to the file of a killed run, which no other tool has touched.
    if (!can_read_foreign_files() || std::filesystem::exists(journal_of(path.string()))) throw;
    foreign();
  }
}

const ForeignFile& TraceSource::foreign() const {
  if (foreign_) return *foreign_;
  auto file = std::make_unique<ForeignFile>(path_);
  for (const Object& object : file->objects()) {
    if (object.kind == ObjectKind::kSoftLink) {
      damaged(printable(object.path) + ": soft links are not allowed");
    }
  }
  foreign_ = std::move(file);
  return *foreign_;
}

const Object& TraceSource::need(const std::string& path) const {
  const Object* object = foreign().find(path);
  if (object == nullptr) damaged("cannot open " + printable(path) + ": there is none");
  return *object;
}

bool TraceSource::has(const std::string& path) const {
  if (!file_) return foreign().find(path) != nullptr;
  const auto [group, name] = split(path);
  return has_link(open_group(file_, group).get(), name);
}

std::vector<std::string> TraceSource::children(const std::string& group) const {
  std::vector<std::string> names;
  if (file_) {
    for (const Link& link : links_of(open_group(file_, group).get())) names.push_back(link.name);
    return names;
  }
  need(group);
  const std::string prefix = group + "/";
  for (const Object& object : foreign().objects()) {
    if (!object.path.starts_with(prefix)) continue;
    std::string name = object.path.substr(prefix.size());
    if (name.find('/') == name.npos) names.push_back(std::move(name));
  }
  return names;
}

std::optional<std::string> TraceSource::text(const std::string& path,
                                             const std::string& attribute) const {
  if (file_) return read_text(open_object(file_, path).get(), attribute);
  const Attribute* found = find_attribute(need(path), attribute);
  if (found == nullptr) return std::nullopt;
  const auto* texts = std::get_if<std::vector<std::string>>(&found->values);
  if (texts == nullptr || texts->size() != 1) damaged("attribute " + attribute + " is no text");
  if (texts->front().size() > kMaxAttributeText) damaged("attribute " + attribute + " is too long");
  return texts->front();
}

std::optional<double> TraceSource::number(const std::string& path, const std::string& attribute,
                                          bool may_be_nan) const {
  const std::optional<double> value = any_number(path, attribute);
  if (value && !std::isfinite(*value) && !(may_be_nan && std::isnan(*value)))
    damaged("attribute " + attribute + " is not finite");
  return value;
}

std::optional<double> TraceSource::any_number(const std::string& path,
                                              const std::string& attribute) const {
  if (file_) return read_number(open_object(file_, path).get(), attribute);
  const Attribute* found = find_attribute(need(path), attribute);
  if (found == nullptr) return std::nullopt;
  if (const auto* reals = std::get_if<std::vector<double>>(&found->values)) {
    if (reals->size() != 1) damaged("attribute " + attribute + " is no single number");
    return reals->front();
  }
  const auto whole = integers(path, attribute);
  if (whole->size() != 1) damaged("attribute " + attribute + " is no single number");
  return static_cast<double>(whole->front());
}

std::optional<std::vector<int64_t>> TraceSource::integers(const std::string& path,
                                                          const std::string& attribute) const {
  if (file_) return read_integers(open_object(file_, path).get(), attribute);
  const Attribute* found = find_attribute(need(path), attribute);
  if (found == nullptr) return std::nullopt;
  std::vector<int64_t> result;
  if (const auto* list = std::get_if<std::vector<int64_t>>(&found->values)) {
    result = *list;
  } else if (const auto* counts = std::get_if<std::vector<uint64_t>>(&found->values)) {
    for (const uint64_t count : *counts) {
      if (count > INT64_MAX) damaged("attribute " + attribute + " is beyond 2^63");
      result.push_back(static_cast<int64_t>(count));
    }
  }
  if (result.empty() || result.size() > kMaxAttributeValues) {
    damaged("attribute " + attribute + " is no integer or short array");
  }
  return result;
}

std::string TraceSource::text_dataset(const std::string& path) const {
  if (file_) {
    const auto [group, name] = split(path);
    return read_text_dataset(open_group(file_, group).get(), name);
  }
  const Object& object = need(path);
  if (object.kind != ObjectKind::kDataset || object.type.kind != ValueKind::kText ||
      element_count(object.shape) != 1) {
    damaged(printable(path) + " is no text");
  }
  return foreign().read_texts(object).front();
}

RowSource TraceSource::rows(const std::string& path, H5T_class_t kind, size_t value_bytes) const {
  if (!file_) return foreign_rows(path, kind, value_bytes);
  RowSource result;
  const auto [group, name] = split(path);
  try {
    result.own_ = RowDataset::open(open_group(file_, group).get(), name, kind, value_bytes);
  } catch (const UnknownStructure&) {  // another layout than a recorder's
    if (!can_read_foreign_files()) throw;
    return foreign_rows(path, kind, value_bytes);
  }
  result.rows_ = result.own_.rows();
  result.width_ = result.own_.width();
  return result;
}

RowSource TraceSource::foreign_rows(const std::string& path, H5T_class_t kind,
                                    size_t value_bytes) const {
  const Object& object = need(path);
  const bool whole =
      object.type.kind == ValueKind::kInteger || object.type.kind == ValueKind::kUnsigned;
  const bool fits = kind == H5T_INTEGER ? whole : object.type.kind == ValueKind::kReal;
  // Sizes other than a recorder's are converted; of bits each byte counts.
  const bool sized = value_bytes == 1 ? object.type.bytes == 1 : object.type.bytes > 0;
  if (object.kind != ObjectKind::kDataset || !fits || !sized || object.shape.empty() ||
      object.shape.size() > 2) {
    damaged(split(path).second + " has another type or rank than expected");
  }
  RowSource result;
  result.file_ = &foreign();
  result.object_ = &object;
  result.rows_ = object.shape[0];
  result.width_ = object.shape.size() == 1 ? 0 : object.shape[1];
  return result;
}

}  // namespace spikeloom::hdf5
