#include "core/io/hdf5/listing.hpp"

#include <algorithm>
#include <cstring>
#include <set>

#include "core/error.hpp"
#include "core/io/hdf5/protocol.hpp"
#include "core/io/hint.hpp"

namespace spikeloom::hdf5 {
namespace {

constexpr int kMaxDepth = 32;
constexpr int64_t kMaxValues = 65'536;  // of an attribute that is handed over

[[noreturn]] void refuse(const std::string& why) {
  throw Error(ErrorCode::kData, why);
}

template <typename T>
std::vector<T> read_numbers(hid_t attribute, hid_t type, int64_t count, const std::string& what) {
  std::vector<T> values(static_cast<size_t>(count));
  if (count > 0) check(H5Aread(attribute, type, values.data()), "read " + what);
  return values;
}

Values read_values(hid_t attribute, hid_t type, const Attribute& about, const std::string& what) {
  const int64_t count = element_count(about.shape);
  if (count > kMaxValues) return {};
  switch (about.type.kind) {
    case ValueKind::kInteger:
      return read_numbers<int64_t>(attribute, H5T_NATIVE_INT64, count, what);
    case ValueKind::kUnsigned:
      return read_numbers<uint64_t>(attribute, H5T_NATIVE_UINT64, count, what);
    case ValueKind::kReal: return read_numbers<double>(attribute, H5T_NATIVE_DOUBLE, count, what);
    case ValueKind::kText:
      return collect_texts(type, count, what, [&](hid_t memory, void* values) {
        check(H5Aread(attribute, memory, values), "read " + what);
      });
    case ValueKind::kOther: break;
  }
  return {};
}

struct Name {
  std::string text;
  H5L_type_t type;
};

// Native order walks the index itself; HDF5 1.10.8 fills a table for every other one.
std::vector<Name> links_of(hid_t group) {
  std::vector<Name> names;
  const auto visit = [](hid_t, const char* name, const H5L_info_t* info, void* out) -> herr_t {
    try {
      auto& list = *static_cast<std::vector<Name>*>(out);
      list.push_back({name, info->type});
      return static_cast<int64_t>(list.size()) > kMaxObjects ? -1 : 0;
    } catch (...) {
      return -1;
    }
  };
  check(H5Literate(group, H5_INDEX_NAME, H5_ITER_NATIVE, nullptr, visit, &names), "list a group");
  return names;
}

std::vector<std::string> attributes_of(hid_t object) {
  std::vector<std::string> names;
  const auto visit = [](hid_t, const char* name, const H5A_info_t*, void* out) -> herr_t {
    try {
      auto& list = *static_cast<std::vector<std::string>*>(out);
      list.emplace_back(name);
      return static_cast<int64_t>(list.size()) > kMaxAttributes ? -1 : 0;
    } catch (...) {
      return -1;
    }
  };
  check(H5Aiterate2(object, H5_INDEX_NAME, H5_ITER_NATIVE, nullptr, visit, &names),
        "list attributes");
  return names;
}

class Lister {
 public:
  std::vector<Object> list(hid_t file) {
    visit(Id(H5Oopen(file, "/", H5P_DEFAULT), H5Oclose, "open the root"), "/", 1);
    std::sort(objects_.begin(), objects_.end(),
              [](const Object& a, const Object& b) { return a.path < b.path; });
    return std::move(objects_);
  }

 private:
  void visit(const Id& id, const std::string& path, int depth) {
    try {
      take(id, path);
      if (objects_.back().kind != ObjectKind::kGroup) return;
      if (depth > kMaxDepth) refuse("groups lie deeper than 32");
    } catch (const Error& error) {
      throw error.in(printable(path));
    }
    H5O_info_t info = {};
    check(H5Oget_info2(id.get(), &info, H5O_INFO_BASIC), "look at " + path);
    if (!groups_.insert(info.addr).second) return;
    for (const Name& link : links_of(id.get())) {
      follow(id, link, (path == "/" ? "" : path) + "/" + link.text, depth);
    }
  }

  void follow(const Id& group, const Name& link, const std::string& path, int depth) {
    switch (link.type) {
      case H5L_TYPE_HARD:
        return visit(Id(H5Oopen(group.get(), link.text.c_str(), H5P_DEFAULT), H5Oclose,
                        "open " + printable(path)),
                     path, depth + 1);
      case H5L_TYPE_SOFT:
        add().path = path;
        objects_.back().kind = ObjectKind::kSoftLink;
        return;
      case H5L_TYPE_EXTERNAL: refuse(printable(path) + ": external links are not allowed");
      default: refuse(printable(path) + ": user-defined links are not allowed");
    }
  }

  Object& add() {
    if (static_cast<int64_t>(objects_.size()) == kMaxObjects) {
      refuse("more than " + std::to_string(kMaxObjects) + " objects");
    }
    return objects_.emplace_back();
  }

  void take(const Id& id, const std::string& path) {
    Object& object = add();
    object.path = path;
    switch (H5Iget_type(id.get())) {
      case H5I_GROUP: break;
      case H5I_DATATYPE: object.kind = ObjectKind::kType; break;
      case H5I_DATASET: take_dataset(id, object); break;
      default: refuse("neither a group nor a dataset");
    }
    for (const std::string& name : attributes_of(id.get())) take_attribute(id, name, object);
  }

  static void take_dataset(const Id& id, Object& object) {
    object.kind = ObjectKind::kDataset;
    const Id type(H5Dget_type(id.get()), H5Tclose, "read its type");
    const Id space(H5Dget_space(id.get()), H5Sclose, "read its extent");
    const Id properties(H5Dget_create_plist(id.get()), H5Pclose, "read its properties");
    if (H5Pget_layout(properties.get()) == H5D_VIRTUAL) {
      refuse("virtual datasets are not allowed");
    }
    if (H5Pget_external_count(properties.get()) != 0) refuse("its data lie in another file");
    object.type = type_of(type.get());
    object.item = item_of(type.get());
    object.shape = shape_of(space.get());
  }

  void take_attribute(const Id& id, const std::string& name, Object& object) {
    if (++attributes_ > kMaxAttributes) {
      refuse("more than " + std::to_string(kMaxAttributes) + " attributes");
    }
    const std::string what = "attribute " + printable(name);
    const Id attribute(H5Aopen(id.get(), name.c_str(), H5P_DEFAULT), H5Aclose, "open " + what);
    const Id type(H5Aget_type(attribute.get()), H5Tclose, "read the type of " + what);
    const Id space(H5Aget_space(attribute.get()), H5Sclose, "read the extent of " + what);
    Attribute about;
    about.name = name;
    about.type = type_of(type.get());
    about.shape = shape_of(space.get());
    about.values = read_values(attribute.get(), type.get(), about, what);
    if (about.values.index() != 0) values_ += element_count(about.shape);
    if (values_ > kMaxListedValues) refuse("attributes hold too many values");
    object.attributes.push_back(std::move(about));
  }

  std::vector<Object> objects_;
  std::set<haddr_t> groups_;
  int64_t attributes_ = 0, values_ = 0;
};

// The first `size` bytes, up to a NUL; blanks at the end of a text that is padded with them go.
std::string text_in(const char* first, size_t size, H5T_str_t padding) {
  std::string text(first, strnlen(first, size));
  while (padding == H5T_STR_SPACEPAD && text.ends_with(' ')) text.pop_back();
  return text;
}

}  // namespace

ValueType type_of(hid_t type) {
  H5T_class_t kind = H5Tget_class(type);
  const size_t bytes = H5Tget_size(type);
  const bool whole = bytes == 1 || bytes == 2 || bytes == 4 || bytes == 8;
  if (kind == H5T_STRING) return {ValueKind::kText, 0};
  if (!whole) return {};
  const auto width = static_cast<uint8_t>(bytes);
  if (kind == H5T_FLOAT) return bytes == 1 ? ValueType{} : ValueType{ValueKind::kReal, width};
  if (kind == H5T_ENUM) {
    const Id base(H5Tget_super(type), H5Tclose, "read an enumeration");
    return type_of(base.get());
  }
  if (kind != H5T_INTEGER) return {};
  return {H5Tget_sign(type) == H5T_SGN_NONE ? ValueKind::kUnsigned : ValueKind::kInteger, width};
}

ValueType item_of(hid_t type) {
  if (H5Tget_class(type) != H5T_VLEN) return {};
  const Id base(H5Tget_super(type), H5Tclose, "read what its lists hold");
  const ValueType item = type_of(base.get());
  return item.kind < ValueKind::kText ? item : ValueType{};
}

hid_t memory_type(ValueType type) {
  const bool signs = type.kind == ValueKind::kInteger;
  if (type.kind == ValueKind::kReal) {
    return type.bytes == 8 ? H5T_NATIVE_DOUBLE : H5T_NATIVE_FLOAT;
  }
  switch (type.bytes) {
    case 1: return signs ? H5T_NATIVE_INT8 : H5T_NATIVE_UINT8;
    case 2: return signs ? H5T_NATIVE_INT16 : H5T_NATIVE_UINT16;
    case 4: return signs ? H5T_NATIVE_INT32 : H5T_NATIVE_UINT32;
    default: return signs ? H5T_NATIVE_INT64 : H5T_NATIVE_UINT64;
  }
}

Shape shape_of(hid_t space) {
  if (H5Sget_simple_extent_type(space) == H5S_NULL) return {0};
  const int rank = H5Sget_simple_extent_ndims(space);
  if (rank < 0 || static_cast<size_t>(rank) > kMaxExtents) refuse("a damaged extent");
  std::vector<hsize_t> extents(static_cast<size_t>(rank));
  check(H5Sget_simple_extent_dims(space, extents.data(), nullptr), "read an extent");
  Shape shape;
  for (const hsize_t extent : extents) {
    shape.push_back(static_cast<int64_t>(std::min<hsize_t>(extent, INT64_MAX)));
  }
  element_count(shape);  // refuses products beyond 2^62
  return shape;
}

std::vector<std::string> collect_texts(hid_t type, int64_t count, const std::string& what,
                                       const std::function<void(hid_t type, void* values)>& read) {
  std::vector<std::string> texts;
  if (count == 0) return texts;
  const htri_t variable = H5Tis_variable_str(type);
  if (variable < 0) fail("read " + what);
  const H5T_str_t padding = H5Tget_strpad(type);
  uint64_t total = 0;
  const auto keep = [&](const char* first, size_t size) {
    texts.push_back(text_in(first, size, padding));
    total += texts.back().size();
    if (total > kMaxAnswerBytes) refuse(what + " is too long");
  };
  if (variable == 0) {
    uint64_t bytes = H5Tget_size(type);
    const uint64_t each = bytes;
    if (__builtin_mul_overflow(bytes, static_cast<uint64_t>(count), &bytes) ||
        bytes > kMaxAnswerBytes) {
      refuse(what + " is too long");
    }
    std::vector<char> packed(bytes);
    read(type, packed.data());
    for (int64_t i = 0; i < count; ++i) {
      keep(packed.data() + static_cast<uint64_t>(i) * each, each);
    }
    return texts;
  }
  if (static_cast<uint64_t>(count) > kMaxAnswerBytes / sizeof(char*)) refuse(what + " is too long");
  std::vector<char*> places(static_cast<size_t>(count));
  read(type, places.data());
  for (const char* place : places) keep(place == nullptr ? "" : place, kMaxAnswerBytes);
  const auto extent = static_cast<hsize_t>(count);
  const Id space(H5Screate_simple(1, &extent, nullptr), H5Sclose, "make a space");
  check(H5Dvlen_reclaim(type, space.get(), H5P_DEFAULT, places.data()), "free " + what);
  return texts;
}

std::vector<Object> list_objects(hid_t file) {
  return Lister().list(file);
}

}  // namespace spikeloom::hdf5
