#include "nir/write.hpp"

#include "core/error.hpp"
#include "core/io/hdf5/id.hpp"

namespace spikeloom::nir {
namespace {

using hdf5::check;
using hdf5::Id;

Id properties(hid_t kind) {
  Id id(H5Pcreate(kind), H5Pclose, "make properties");
  check(H5Pset_obj_track_times(id.get(), false), "switch off time stamps");
  return id;
}

Id group(hid_t where, const std::string& name) {
  const Id made = properties(H5P_GROUP_CREATE);
  return Id(H5Gcreate2(where, name.c_str(), H5P_DEFAULT, made.get(), H5P_DEFAULT), H5Gclose,
            "create " + name);
}

Id space_of(const Shape& shape) {
  if (shape.empty()) return Id(H5Screate(H5S_SCALAR), H5Sclose, "make a space");
  std::vector<hsize_t> extents(shape.begin(), shape.end());
  return Id(H5Screate_simple(static_cast<int>(extents.size()), extents.data(), nullptr), H5Sclose,
            "make a space");
}

void dataset(hid_t where, const std::string& name, hid_t file_type, hid_t memory_type,
             const Shape& shape, const void* values) {
  const Id space = space_of(shape), made = properties(H5P_DATASET_CREATE);
  const Id id(
      H5Dcreate2(where, name.c_str(), file_type, space.get(), H5P_DEFAULT, made.get(), H5P_DEFAULT),
      H5Dclose, "create " + name);
  if (element_count(shape) > 0)
    check(H5Dwrite(id.get(), memory_type, H5S_ALL, H5S_ALL, H5P_DEFAULT, values), "write " + name);
}

// Texts of variable length, UTF-8.
void texts(hid_t where, const std::string& name, const Shape& shape,
           const std::vector<std::string>& values) {
  const Id type(H5Tcopy(H5T_C_S1), H5Tclose, "make a type");
  check(H5Tset_size(type.get(), H5T_VARIABLE), "make a type");
  check(H5Tset_cset(type.get(), H5T_CSET_UTF8), "make a type");
  std::vector<const char*> places;
  for (const std::string& value : values) places.push_back(value.c_str());
  dataset(where, name, type.get(), type.get(), shape, places.data());
}

void numbers(hid_t where, const std::string& name, const Array& array, bool whole) {
  if (whole) {
    std::vector<int64_t> values;
    for (int64_t i = 0; i < array.size(); ++i) values.push_back(static_cast<int64_t>(array.at(i)));
    return dataset(where, name, H5T_STD_I64LE, H5T_NATIVE_INT64, array.shape(), values.data());
  }
  if (array.data.dtype() == DType::kF32) {
    return dataset(where, name, H5T_IEEE_F32LE, H5T_NATIVE_FLOAT, array.shape(),
                   array.data.f32().data());
  }
  dataset(where, name, H5T_IEEE_F64LE, H5T_NATIVE_DOUBLE, array.shape(),
          array.data.as<double>().data());
}

void write_node(hid_t nodes, const Node& node, const WriteOptions& options) {
  const Id own = group(nodes, node.name);
  texts(own.get(), "type", {}, {std::string(node.type().name)});
  for (const Field& field : node.type().fields) {
    const std::string name(field.name);
    if (name == "v_reset" && !options.v_reset) continue;
    if (field.kind == FieldKind::kPadding && node.same) {
      texts(own.get(), name, {}, {"same"});
    } else if (node.has(field.name)) {
      const bool whole = field.kind == FieldKind::kIntegers || field.kind == FieldKind::kPadding;
      numbers(own.get(), name, node[field.name], whole);
    }
  }
}

void write_graph(hid_t file, const Lifted& lifted, const WriteOptions& options) {
  const Network& network = lifted.network;
  texts(file, "version", {}, {network.version});
  const Id graph = group(file, "node");
  texts(graph.get(), "type", {}, {"NIRGraph"});
  std::vector<std::string> ends;
  for (size_t to = 0; to < network.nodes.size(); ++to) {
    for (const size_t from : network.inputs[to]) {
      ends.push_back(network.nodes[from].name);
      ends.push_back(network.nodes[to].name);
    }
  }
  texts(graph.get(), "edges", {static_cast<int64_t>(ends.size() / 2), 2}, ends);
  const Id nodes = group(graph.get(), "nodes");
  for (const Node& node : network.nodes) write_node(nodes.get(), node, options);
  if (lifted.metadata.empty()) return;
  const Id metadata = group(graph.get(), "metadata");
  for (const auto& [name, value] : lifted.metadata) {
    if (const auto* text = std::get_if<std::string>(&value)) {
      texts(metadata.get(), name, {}, {*text});
    } else {
      dataset(metadata.get(), name, H5T_IEEE_F64LE, H5T_NATIVE_DOUBLE, {},
              &std::get<double>(value));
    }
  }
}

}  // namespace

std::vector<std::byte> write(const Lifted& lifted, const WriteOptions& options) {
  try {
    const hdf5::Entry inside = hdf5::enter();
    const Id access(H5Pcreate(H5P_FILE_ACCESS), H5Pclose, "make properties");
    check(H5Pset_fapl_core(access.get(), size_t{1} << 20, false), "keep a file in memory");
    const Id made = properties(H5P_FILE_CREATE);
    const Id file(H5Fcreate("network.nir", H5F_ACC_TRUNC, made.get(), access.get()), H5Fclose,
                  "create a file in memory");
    write_graph(file.get(), lifted, options);
    check(H5Fflush(file.get(), H5F_SCOPE_LOCAL), "flush");
    const ssize_t size = H5Fget_file_image(file.get(), nullptr, 0);
    if (size < 0) hdf5::fail("measure the file");
    std::vector<std::byte> bytes(static_cast<size_t>(size));
    if (H5Fget_file_image(file.get(), bytes.data(), bytes.size()) != size)
      hdf5::fail("copy the file");
    return bytes;
  } catch (const Error& error) {
    throw Error(ErrorCode::kRuntime, error.what());
  }
}

}  // namespace spikeloom::nir
