#include "core/io/hdf5/hdf5.hpp"

#include <algorithm>
#include <cmath>
#include <cstdio>

#include "core/error.hpp"
#include "core/io/hdf5/hdf5_journal.hpp"
#include "core/io/hint.hpp"

namespace spikeloom::hdf5 {
namespace {

constexpr size_t kMaxAttributeText = 64 << 10;
constexpr size_t kMaxDatasetText = 100'000'000;  // JSON text
constexpr hssize_t kMaxAttributeValues = 64;

Id text_type(size_t bytes) {
  Id type(H5Tcopy(H5T_C_S1), H5Tclose, "make a text type");
  check(H5Tset_size(type.get(), bytes), "size a text type");
  check(H5Tset_cset(type.get(), H5T_CSET_UTF8), "make a UTF-8 type");
  check(H5Tset_strpad(type.get(), H5T_STR_NULLPAD), "make a padded type");
  return type;
}

Id scalar_space() {
  return Id(H5Screate(H5S_SCALAR), H5Sclose, "make a scalar space");
}

Id new_attribute(hid_t where, const std::string& name, hid_t type, hid_t space) {
  return Id(H5Acreate2(where, name.c_str(), type, space, H5P_DEFAULT, H5P_DEFAULT), H5Aclose,
            "create attribute " + name);
}

// Links and attributes stay in the object header, where hdf5_raw.hpp can check them; no time
// stamps.
Id group_properties(hid_t kind) {
  constexpr unsigned kMost = 65535;
  Id properties(H5Pcreate(kind), H5Pclose, "make group properties");
  check(H5Pset_link_phase_change(properties.get(), kMost, 0), "keep links in the header");
  check(H5Pset_attr_phase_change(properties.get(), kMost, 0), "keep attributes in the header");
  check(H5Pset_obj_track_times(properties.get(), false), "switch off time stamps");
  return properties;
}

std::optional<Id> find_attribute(hid_t where, const std::string& name) {
  const htri_t exists = H5Aexists(where, name.c_str());
  if (exists < 0) fail("look for attribute " + name);
  if (exists == 0) return std::nullopt;
  return Id(H5Aopen(where, name.c_str(), H5P_DEFAULT), H5Aclose, "open attribute " + name);
}

// Number of values of an attribute of class integer, enum or float.
int64_t count_values(const Id& attribute, const std::string& name) {
  const Id space(H5Aget_space(attribute.get()), H5Sclose, "read attribute " + name);
  const Id type(H5Aget_type(attribute.get()), H5Tclose, "read attribute " + name);
  const H5T_class_t kind = H5Tget_class(type.get());
  const hssize_t count = H5Sget_simple_extent_npoints(space.get());
  if ((kind != H5T_INTEGER && kind != H5T_FLOAT && kind != H5T_ENUM) || count < 1 ||
      count > kMaxAttributeValues || H5Tget_size(type.get()) > 8) {
    throw Error(ErrorCode::kData, "attribute " + name + " is no number or short array");
  }
  return count;
}

// Bytes of a single text of fixed length. Variable lengths are refused: they lie in HDF5's global
// heap, which has no checksum, and HDF5 1.10.8 crashes on a damaged one (H5HG_read; found by
// flipping bits).
size_t text_bytes(const Id& type, const Id& space, const std::string& what, size_t limit) {
  if (H5Tget_class(type.get()) != H5T_STRING || H5Sget_simple_extent_npoints(space.get()) != 1) {
    throw Error(ErrorCode::kData, what + " is no text");
  }
  if (H5Tis_variable_str(type.get()) != 0) {
    throw Error(ErrorCode::kData, what + " is a text of variable length; only fixed ones are read");
  }
  const size_t size = H5Tget_size(type.get());
  if (size > limit) throw Error(ErrorCode::kData, what + " is too long");
  return size;
}

void trim(std::string& text) {
  const size_t end = text.find('\0');
  if (end != std::string::npos) text.resize(end);
}

}  // namespace

Id create_file(const TemporaryFile& empty, WriteFault* fault) {
  const Id access = driver_access(fault, empty.descriptor());
  check(H5Pset_libver_bounds(access.get(), H5F_LIBVER_V18, H5F_LIBVER_V110), "set file versions");
  check(H5Pset_fclose_degree(access.get(), H5F_CLOSE_STRONG), "set file closing");
  const Id properties = group_properties(H5P_FILE_CREATE);
  return Id(H5Fcreate(empty.path().c_str(), H5F_ACC_EXCL, properties.get(), access.get()), H5Fclose,
            "create the file");
}

Id open_file(const std::string& path) {
  if (!std::filesystem::exists(journal_of(path))) {
    return Id(H5Fopen(path.c_str(), H5F_ACC_RDONLY, H5P_DEFAULT), H5Fclose, "open as HDF5");
  }
  WriteFault unused;  // read-only: the driver never writes
  const Id access = driver_access(&unused);
  return Id(H5Fopen(path.c_str(), H5F_ACC_RDONLY, access.get()), H5Fclose, "open as HDF5");
}

Id create_group(hid_t where, const std::string& name) {
  const Id properties = group_properties(H5P_GROUP_CREATE);
  return Id(H5Gcreate2(where, name.c_str(), H5P_DEFAULT, properties.get(), H5P_DEFAULT), H5Gclose,
            "create group " + name);
}

void write_text(hid_t where, const std::string& attribute, const std::string& text) {
  const Id type = text_type(std::max<size_t>(1, text.size())), space = scalar_space();
  const Id id = new_attribute(where, attribute, type.get(), space.get());
  check(H5Awrite(id.get(), type.get(), text.c_str()), "write attribute " + attribute);
}

void write_number(hid_t where, const std::string& attribute, hid_t file_type, double value) {
  const Id space = scalar_space();
  const Id id = new_attribute(where, attribute, file_type, space.get());
  check(H5Awrite(id.get(), H5T_NATIVE_DOUBLE, &value), "write attribute " + attribute);
}

void write_integers(hid_t where, const std::string& attribute, hid_t file_type,
                    std::span<const int64_t> values, bool scalar) {
  const hsize_t count = values.size();
  const Id space =
      scalar ? scalar_space() : Id(H5Screate_simple(1, &count, nullptr), H5Sclose, "make a space");
  const Id id = new_attribute(where, attribute, file_type, space.get());
  check(H5Awrite(id.get(), H5T_NATIVE_INT64, values.data()), "write attribute " + attribute);
}

void write_text_dataset(hid_t where, const std::string& name, const std::string& text) {
  const Id type = text_type(std::max<size_t>(1, text.size())), space = scalar_space();
  const Id properties(H5Pcreate(H5P_DATASET_CREATE), H5Pclose, "make dataset properties");
  check(H5Pset_obj_track_times(properties.get(), false), "switch off time stamps");
  const Id id(H5Dcreate2(where, name.c_str(), type.get(), space.get(), H5P_DEFAULT,
                         properties.get(), H5P_DEFAULT),
              H5Dclose, "create " + name);
  check(H5Dwrite(id.get(), type.get(), H5S_ALL, H5S_ALL, H5P_DEFAULT, text.c_str()),
        "write " + name);
}

Id write_texts(hid_t where, const std::string& name, const std::vector<std::string>& values) {
  size_t longest = 1;
  for (const std::string& value : values) longest = std::max(longest, value.size());
  std::string padded;
  for (std::string value : values) {
    value.resize(longest);
    padded += value;
  }
  const hsize_t count = values.size();
  const Id type = text_type(longest);
  const Id space(H5Screate_simple(1, &count, nullptr), H5Sclose, "make a space");
  const Id properties(H5Pcreate(H5P_DATASET_CREATE), H5Pclose, "make dataset properties");
  check(H5Pset_obj_track_times(properties.get(), false), "switch off time stamps");
  Id id(H5Dcreate2(where, name.c_str(), type.get(), space.get(), H5P_DEFAULT, properties.get(),
                   H5P_DEFAULT),
        H5Dclose, "create " + name);
  check(H5Dwrite(id.get(), type.get(), H5S_ALL, H5S_ALL, H5P_DEFAULT, padded.data()),
        "write " + name);
  return id;
}

std::optional<std::string> read_text(hid_t where, const std::string& attribute) {
  const std::optional<Id> id = find_attribute(where, attribute);
  if (!id) return std::nullopt;
  const Id type(H5Aget_type(id->get()), H5Tclose, "read attribute " + attribute);
  const Id space(H5Aget_space(id->get()), H5Sclose, "read attribute " + attribute);
  std::string text(text_bytes(type, space, "attribute " + attribute, kMaxAttributeText), '\0');
  check(H5Aread(id->get(), type.get(), text.data()), "read attribute " + attribute);
  trim(text);
  return text;
}

std::optional<double> read_number(hid_t where, const std::string& attribute) {
  const std::optional<Id> id = find_attribute(where, attribute);
  if (!id) return std::nullopt;
  double value = 0;
  if (count_values(*id, attribute) != 1) {
    throw Error(ErrorCode::kData, "attribute " + attribute + " is no single number");
  }
  check(H5Aread(id->get(), H5T_NATIVE_DOUBLE, &value), "read attribute " + attribute);
  return value;
}

std::optional<std::vector<int64_t>> read_integers(hid_t where, const std::string& attribute) {
  const std::optional<Id> id = find_attribute(where, attribute);
  if (!id) return std::nullopt;
  std::vector<int64_t> values(static_cast<size_t>(count_values(*id, attribute)));
  check(H5Aread(id->get(), H5T_NATIVE_INT64, values.data()), "read attribute " + attribute);
  return values;
}

std::string read_text_dataset(hid_t where, const std::string& name) {
  const Id id(H5Dopen2(where, name.c_str(), H5P_DEFAULT), H5Dclose, "open " + name);
  const Id type(H5Dget_type(id.get()), H5Tclose, "read " + name);
  const Id space(H5Dget_space(id.get()), H5Sclose, "read " + name);
  const size_t size = text_bytes(type, space, name, kMaxDatasetText);
  if (size > H5Dget_storage_size(id.get())) {
    throw Error(ErrorCode::kData, name + " is longer than what is stored");
  }
  std::string text(size, '\0');
  check(H5Dread(id.get(), type.get(), H5S_ALL, H5S_ALL, H5P_DEFAULT, text.data()), "read " + name);
  trim(text);
  return text;
}

bool has_link(hid_t where, const std::string& name) {
  const htri_t exists = H5Lexists(where, name.c_str(), H5P_DEFAULT);
  if (exists < 0) fail("look for " + name);
  return exists > 0;
}

std::vector<Link> links_of(hid_t group) {
  std::vector<Link> links;
  const auto visit = [](hid_t, const char* name, const H5L_info_t* info, void* out) -> herr_t {
    try {
      static_cast<std::vector<Link>*>(out)->push_back({name, info->type});
    } catch (...) {
      return -1;
    }
    return 0;
  };
  // Native order walks the index itself. Every other order makes HDF5 1.10.8 fill a table first and
  // free its unset entries when a link in a damaged file cannot be read.
  check(H5Literate(group, H5_INDEX_NAME, H5_ITER_NATIVE, nullptr, visit, &links), "list a group");
  std::sort(links.begin(), links.end(),
            [](const Link& a, const Link& b) { return a.name < b.name; });
  return links;
}

}  // namespace spikeloom::hdf5
