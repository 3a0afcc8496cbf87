// The confined process's own code: listing.cpp and slab.cpp over sound HDF5 files of odd types,
// extents, chunks and filters, whose chunks may hold any bytes. What HDF5 reads itself must be the
// same; of chunks that are no work of HDF5 only an Error may come. (HDF5's decoding of files that
// are not sound is left to the confinement.)

#include <algorithm>
#include <cstring>
#include <string>

#include "core/io/hdf5/listing.hpp"
#include "core/io/hdf5/slab.hpp"
#include "tests/fuzz/fuzz.hpp"

using namespace spikeloom;
using namespace spikeloom::hdf5;

namespace {

class Taker {
 public:
  Taker(const uint8_t* data, size_t size) : left_(data, size) {}
  uint8_t byte() {
    if (left_.empty()) return 0;
    const uint8_t value = left_[0];
    left_ = left_.subspan(1);
    return value;
  }
  int below(int most) { return byte() % most; }
  std::vector<uint8_t> bytes(size_t most) {
    const auto part = left_.first(std::min(most, left_.size()));
    left_ = left_.subspan(part.size());
    return {part.begin(), part.end()};
  }
  bool empty() const { return left_.empty(); }

 private:
  std::span<const uint8_t> left_;
};

Id image_in_memory() {
  const Id access(H5Pcreate(H5P_FILE_ACCESS), H5Pclose, "make file properties");
  H5Pset_fapl_core(access.get(), 1 << 16, 0);
  return Id(H5Fcreate("image", H5F_ACC_TRUNC, H5P_DEFAULT, access.get()), H5Fclose, "create");
}

hid_t number_type(int which) {
  const hid_t types[] = {H5T_STD_I8LE,   H5T_STD_U8BE,   H5T_STD_I16BE,  H5T_STD_U16LE,
                         H5T_STD_I32LE,  H5T_STD_U32BE,  H5T_STD_I64BE,  H5T_STD_U64LE,
                         H5T_IEEE_F32LE, H5T_IEEE_F32BE, H5T_IEEE_F64LE, H5T_IEEE_F64BE};
  return types[which % 12];
}

// Numbers, an enumeration of them, or texts of a few bytes.
Id type_from(Taker& taker) {
  const int which = taker.below(15);
  if (which < 12) return Id(H5Tcopy(number_type(which)), H5Tclose, "copy a type");
  if (which == 12) {
    Id values(H5Tenum_create(H5T_STD_I8LE), H5Tclose, "make an enumeration");
    const int8_t no = 0, yes = 1;
    H5Tenum_insert(values.get(), "FALSE", &no);
    H5Tenum_insert(values.get(), "TRUE", &yes);
    return values;
  }
  Id text(H5Tcopy(H5T_C_S1), H5Tclose, "copy a type");
  H5Tset_size(text.get(), static_cast<size_t>(1 + taker.below(5)));
  H5Tset_strpad(text.get(), which == 13 ? H5T_STR_NULLPAD : H5T_STR_SPACEPAD);
  return text;
}

struct Made {
  std::string path;
  std::vector<hsize_t> extents;
  Id type, data;
  bool raw = false;  // a chunk is no work of HDF5
};

std::vector<hsize_t> extents_from(Taker& taker) {
  std::vector<hsize_t> extents(static_cast<size_t>(taker.below(4)));
  for (hsize_t& extent : extents) extent = static_cast<hsize_t>(taker.below(8));
  return extents;
}

size_t product(const std::vector<hsize_t>& extents) {
  size_t all = 1;
  for (const hsize_t extent : extents) all *= extent;
  return all;
}

// Each at most once: nobody packs twice, and a chunk that is is refused.
void add_filters(hid_t properties, Taker& taker) {
  int used = 0;
  for (int left = taker.below(4); left > 0; --left) {
    const int which = taker.below(3);
    if ((used >> which & 1) != 0) continue;
    used |= 1 << which;
    if (which == 0) H5Pset_deflate(properties, static_cast<unsigned>(taker.below(10)));
    if (which == 1) H5Pset_shuffle(properties);
    if (which == 2) H5Pset_fletcher32(properties);
  }
}

// Bytes in the place of a chunk.
void put_raw_chunks(Made& made, const std::vector<hsize_t>& chunk, Taker& taker) {
  for (int left = taker.below(3); left > 0; --left) {
    std::vector<hsize_t> origin(chunk.size());
    for (size_t i = 0; i < chunk.size(); ++i) {
      const auto chunks = (made.extents[i] + chunk[i] - 1) / chunk[i];
      if (chunks == 0) return;
      origin[i] = static_cast<hsize_t>(taker.below(static_cast<int>(chunks))) * chunk[i];
    }
    const auto left_out = static_cast<uint32_t>(taker.below(8));
    const std::vector<uint8_t> bytes = taker.bytes(static_cast<size_t>(1 + taker.below(64)));
    if (bytes.empty()) return;
    if (H5Dwrite_chunk(made.data.get(), H5P_DEFAULT, left_out, origin.data(), bytes.size(),
                       bytes.data()) >= 0)
      made.raw = true;
  }
}

Made dataset_from(hid_t file, const std::string& name, Taker& taker) {
  Made made;
  made.path = "/" + name;
  made.type = type_from(taker);
  made.extents = extents_from(taker);
  const size_t rank = made.extents.size(), width = H5Tget_size(made.type.get());
  const Id space(rank == 0 ? H5Screate(H5S_SCALAR)
                           : H5Screate_simple(static_cast<int>(rank), made.extents.data(), nullptr),
                 H5Sclose, "make a space");
  const Id properties(H5Pcreate(H5P_DATASET_CREATE), H5Pclose, "make properties");
  const int layout = taker.below(3);
  std::vector<hsize_t> chunk;
  if (layout == 1) H5Pset_layout(properties.get(), H5D_COMPACT);
  if (layout == 2 && rank > 0) {
    for (const hsize_t extent : made.extents)
      chunk.push_back(1 + static_cast<hsize_t>(taker.below(static_cast<int>(extent) + 1)) %
                              std::max<hsize_t>(extent, 1));
    H5Pset_chunk(properties.get(), static_cast<int>(rank), chunk.data());
    add_filters(properties.get(), taker);
  }
  if (taker.below(2) != 0) {
    std::vector<uint8_t> fill = taker.bytes(width);
    fill.resize(width);
    H5Pset_fill_value(properties.get(), made.type.get(), fill.data());
  }
  made.data = Id(H5Dcreate2(file, name.c_str(), made.type.get(), space.get(), H5P_DEFAULT,
                            properties.get(), H5P_DEFAULT),
                 H5Dclose, "create a dataset");
  if (taker.below(4) != 0) {
    std::vector<uint8_t> values = taker.bytes(product(made.extents) * width);
    values.resize(product(made.extents) * width, 7);
    check(H5Dwrite(made.data.get(), made.type.get(), H5S_ALL, H5S_ALL, H5P_DEFAULT, values.data()),
          "write");
  }
  if (!chunk.empty() && taker.below(2) != 0) put_raw_chunks(made, chunk, taker);
  return made;
}

void add_attribute(hid_t object, Taker& taker) {
  const Id type = type_from(taker);
  const std::vector<hsize_t> extents = extents_from(taker);
  const auto rank = static_cast<int>(extents.size());
  const Id space(
      rank == 0 ? H5Screate(H5S_SCALAR) : H5Screate_simple(rank, extents.data(), nullptr), H5Sclose,
      "make a space");
  const Id attribute(H5Acreate2(object, "a", type.get(), space.get(), H5P_DEFAULT, H5P_DEFAULT),
                     H5Aclose, "create an attribute");
  std::vector<uint8_t> values = taker.bytes(product(extents) * H5Tget_size(type.get()));
  values.resize(product(extents) * H5Tget_size(type.get()) + 1);
  check(H5Awrite(attribute.get(), type.get(), values.data()), "write");
}

// As HDF5 reads it itself.
std::vector<std::byte> read_directly(const Made& made, ValueType wanted, const SlabRequest& part) {
  const size_t count = product({part.count.begin(), part.count.end()});
  std::vector<std::byte> values(count * wanted.bytes);
  if (count == 0) return values;
  const Id space(H5Dget_space(made.data.get()), H5Sclose, "read its extent");
  const std::vector<hsize_t> start(part.start.begin(), part.start.end()),
      extents(part.count.begin(), part.count.end());
  Id memory(H5Screate(H5S_SCALAR), H5Sclose, "make a space");
  if (!extents.empty()) {
    H5Sselect_hyperslab(space.get(), H5S_SELECT_SET, start.data(), nullptr, extents.data(),
                        nullptr);
    memory = Id(H5Screate_simple(static_cast<int>(extents.size()), extents.data(), nullptr),
                H5Sclose, "make a space");
  }
  check(H5Dread(made.data.get(), memory_type(wanted), memory.get(), space.get(), H5P_DEFAULT,
                values.data()),
        "read it directly");
  return values;
}

void compare(SlabReader& reader, const Made& made, const Object& object, Taker& taker) {
  SlabRequest part{made.path, object.type, {}, {}};
  if (object.type.kind == ValueKind::kText) {
    part.start.assign(object.shape.size(), 0);
    part.count = object.shape;
    if (reader.texts(part).size() != product(made.extents)) std::abort();
    return;
  }
  if (object.type.kind == ValueKind::kReal) part.wanted.bytes = taker.below(2) != 0 ? 8 : 4;
  if (object.type.kind < ValueKind::kReal)
    part.wanted = {taker.below(2) != 0 ? ValueKind::kInteger : ValueKind::kUnsigned,
                   static_cast<uint8_t>(1 << taker.below(4))};
  for (int parts = 0; parts < 3; ++parts) {
    part.start.clear(), part.count.clear();
    for (const int64_t extent : object.shape) {
      const int64_t start = parts == 0 ? 0 : taker.below(static_cast<int>(extent) + 1);
      const auto rest = static_cast<int>(extent - start);
      part.start.push_back(start);
      part.count.push_back(parts == 0 ? rest : taker.below(rest + 1));
    }
    std::vector<std::byte> values;
    try {
      values = reader.numbers(part);
    } catch (const Error&) {
      if (made.raw) throw;
      std::abort();
    }
    if (!made.raw && values != read_directly(made, part.wanted, part)) std::abort();
  }
}

}  // namespace

int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  Taker taker(data, size);
  const Entry inside = enter();
  return fuzz::errors_only([&] {
    const Id file = image_in_memory();
    std::vector<Made> all;
    const int count = 1 + taker.below(3);
    for (int i = 0; i < count; ++i) {
      const std::string name(1, static_cast<char>('a' + i));
      fuzz::errors_only([&] {
        all.push_back(dataset_from(file.get(), name, taker));
        if (taker.below(2) != 0) add_attribute(all.back().data.get(), taker);
      });
    }
    const std::vector<Object> objects = list_objects(file.get());
    const std::vector<std::byte> sent = encode(objects);
    if (encode(decode_objects(sent)) != sent) std::abort();
    SlabReader reader(file.get());
    for (const Made& made : all) {
      for (const Object& object : objects) {
        if (object.path != made.path) continue;
        fuzz::errors_only([&] { compare(reader, made, object, taker); });
      }
    }
  });
}
