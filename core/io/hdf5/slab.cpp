#include "core/io/hdf5/slab.hpp"

#include <zlib.h>

#include <algorithm>
#include <cstring>

#include "core/error.hpp"
#include "core/io/bytes.hpp"
#include "core/io/hdf5/listing.hpp"
#include "core/io/hint.hpp"

namespace spikeloom::hdf5 {
namespace {

using Bytes = std::vector<std::byte>;

constexpr uint64_t kMaxChunkBytes = uint64_t{64} << 20;
constexpr uint64_t kKeptBytes = uint64_t{64} << 20;
constexpr uint64_t kChecksumBytes = 4;
// Deflate never packs more than 1032:1 (zlib's technical notes).
constexpr uint64_t kMaxExpansion = 1100;
constexpr uint64_t kSmall = 1 << 20;

[[noreturn]] void refuse(const std::string& why) {
  throw Error(ErrorCode::kData, why);
}

// Exactly `size` bytes, or false.
bool inflate_exactly(Bytes& bytes, uint64_t size) {
  Bytes whole(size);
  uLongf length = size;
  const int result = uncompress(reinterpret_cast<Bytef*>(whole.data()), &length,
                                reinterpret_cast<const Bytef*>(bytes.data()), bytes.size());
  bytes = std::move(whole);
  return result == Z_OK && length == size;
}

// First bytes of all values, then second bytes, ...: back to whole values. What is left over at the
// end stays where it is.
void unshuffle(Bytes& bytes, size_t width) {
  const Bytes mixed = bytes;
  const size_t count = bytes.size() / width;
  for (size_t b = 0; b < width; ++b) {
    for (size_t i = 0; i < count; ++i) bytes[i * width + b] = mixed[b * count + i];
  }
}

// Fletcher's checksum over big-endian 16-bit words, an odd last byte as the high one; HDF5 stores
// it little-endian (specification, filter 3).
uint32_t fletcher32(std::span<const std::byte> bytes) {
  uint32_t low = 0, high = 0;
  const auto add = [&](uint32_t word) {
    low = (low + word) % 65535;
    high = (high + low) % 65535;
  };
  const auto at = [&](size_t i) { return std::to_integer<uint32_t>(bytes[i]); };
  for (size_t i = 0; i + 1 < bytes.size(); i += 2) add(at(i) << 8 | at(i + 1));
  if (bytes.size() % 2 != 0) add(at(bytes.size() - 1) << 8);
  return high << 16 | low;
}

// Sums are equal modulo 65535: HDF5's own ends with 65535 where this one ends with 0.
bool same_sum(uint32_t a, uint32_t b) {
  return (a & 0xffff) % 65535 == (b & 0xffff) % 65535 && (a >> 16) % 65535 == (b >> 16) % 65535;
}

bool strip_checksum(Bytes& bytes) {
  if (bytes.size() < kChecksumBytes) return false;
  const size_t size = bytes.size() - kChecksumBytes;
  const auto stored = load_le<uint32_t>(bytes, size);
  bytes.resize(size);
  return same_sum(stored, fletcher32(bytes));
}

struct Filter {
  H5Z_filter_t id;
  size_t width;  // of the values that shuffle took apart
};

std::vector<Filter> filters_of(hid_t properties, size_t value_bytes) {
  std::vector<Filter> filters;
  const int count = H5Pget_nfilters(properties);
  check(count, "read its filters");
  for (int i = 0; i < count; ++i) {
    unsigned flags = 0, width = 0;
    size_t values = 1;
    const H5Z_filter_t id = H5Pget_filter2(properties, static_cast<unsigned>(i), &flags, &values,
                                           &width, 0, nullptr, nullptr);
    if (id != H5Z_FILTER_DEFLATE && id != H5Z_FILTER_SHUFFLE && id != H5Z_FILTER_FLETCHER32) {
      refuse("filter " + std::to_string(id) + " is not available (allowed: 1, 2 and 3)");
    }
    filters.push_back({id, values > 0 && width > 0 ? width : value_bytes});
  }
  return filters;
}

}  // namespace

struct SlabReader::Dataset {
  Id id, type, space;
  ValueType values;
  Shape shape;
  size_t value_bytes = 0;
  std::vector<hsize_t> chunk;  // extents; empty: not in chunks
  uint64_t chunk_bytes = 0, stored = 0;
  std::vector<Filter> filters;                 // in the order of writing
  Bytes fill;                                  // one value
  std::map<std::vector<hsize_t>, Bytes> kept;  // unpacked chunks by their first value

  explicit Dataset(hid_t file, const std::string& path)
      : id(H5Dopen2(file, path.c_str(), H5P_DEFAULT), H5Dclose, "open it"),
        type(H5Dget_type(id.get()), H5Tclose, "read its type"),
        space(H5Dget_space(id.get()), H5Sclose, "read its extent") {
    values = type_of(type.get());
    shape = shape_of(space.get());
    value_bytes = H5Tget_size(type.get());
    const Id properties(H5Dget_create_plist(id.get()), H5Pclose, "read its properties");
    if (H5Pget_layout(properties.get()) == H5D_CHUNKED) read_chunking(properties.get());
    stored = H5Dget_storage_size(id.get());
    refuse_claims();
  }

  void read_chunking(hid_t properties) {
    chunk.resize(shape.size());
    if (H5Pget_chunk(properties, static_cast<int>(chunk.size()), chunk.data()) !=
        static_cast<int>(shape.size())) {
      refuse("chunks that do not fit the dataset");
    }
    chunk_bytes = value_bytes;
    for (const hsize_t extent : chunk) {
      if (extent == 0) refuse("chunks without elements");
      if (__builtin_mul_overflow(chunk_bytes, extent, &chunk_bytes) ||
          chunk_bytes > kMaxChunkBytes) {
        refuse("chunks of more than 64 MiB");
      }
    }
    filters = filters_of(properties, value_bytes);
    fill.resize(value_bytes);
    H5D_fill_value_t defined = H5D_FILL_VALUE_UNDEFINED;
    check(H5Pfill_value_defined(properties, &defined), "read its fill value");
    if (defined == H5D_FILL_VALUE_USER_DEFINED && values.kind < ValueKind::kText) {
      check(H5Pget_fill_value(properties, type.get(), fill.data()), "read its fill value");
    }
  }

  // A small file may not keep its reader busy with what is stored nowhere.
  void refuse_claims() const {
    uint64_t bytes = static_cast<uint64_t>(element_count(shape));
    const bool overflow = __builtin_mul_overflow(bytes, value_bytes, &bytes);
    const uint64_t most = filters.empty() ? stored : stored * kMaxExpansion;
    if (overflow || (bytes > kSmall && bytes > most)) {
      refuse("claims " + std::to_string(bytes) + " bytes where " + std::to_string(stored) +
             " are stored");
    }
  }

  // Undoes the filters of a stored chunk, exactly.
  void unpack(Bytes& bytes, uint32_t left_out) const {
    const auto applied = [&](size_t i) { return (left_out >> i & 1) == 0; };
    for (size_t i = filters.size(); i-- > 0;) {
      if (!applied(i)) continue;
      bool sound = true;
      if (filters[i].id == H5Z_FILTER_DEFLATE) {
        uint64_t size = chunk_bytes;  // with the checksums that were added before
        for (size_t j = 0; j < i; ++j) {
          if (applied(j) && filters[j].id == H5Z_FILTER_FLETCHER32) size += kChecksumBytes;
        }
        sound = inflate_exactly(bytes, size);
      } else if (filters[i].id == H5Z_FILTER_FLETCHER32) {
        sound = strip_checksum(bytes);
      } else {
        unshuffle(bytes, filters[i].width);
      }
      if (!sound) refuse("a damaged chunk");
    }
    if (bytes.size() != chunk_bytes) refuse("a damaged chunk");
  }
};

SlabReader::SlabReader(hid_t file) : file_(file) {}
SlabReader::~SlabReader() = default;

SlabReader::Dataset& SlabReader::open(const SlabRequest& request) {
  const auto found = datasets_.find(request.path);
  Dataset& dataset =
      found != datasets_.end()
          ? found->second
          : datasets_.try_emplace(request.path, Dataset(file_, request.path)).first->second;
  const size_t rank = dataset.shape.size();
  bool inside = request.start.size() == rank && request.count.size() == rank;
  for (size_t i = 0; inside && i < rank; ++i) {
    const int64_t start = request.start[i], count = request.count[i], all = dataset.shape[i];
    inside = start >= 0 && count >= 0 && count <= all && start <= all - count;
  }
  if (!inside) refuse("a part that lies outside of its extent");
  return dataset;
}

const Bytes& SlabReader::chunk_at(Dataset& dataset, const std::vector<hsize_t>& origin) {
  if (const auto found = dataset.kept.find(origin); found != dataset.kept.end()) {
    return found->second;
  }
  if (kept_ + dataset.chunk_bytes > kKeptBytes) {
    for (auto& [path, other] : datasets_) other.kept.clear();
    kept_ = 0;
  }
  hsize_t stored = 0;
  if (dataset.stored > 0)  // otherwise there is no index of chunks, either
    check(H5Dget_chunk_storage_size(dataset.id.get(), origin.data(), &stored), "find a chunk");
  if (stored > 0 && dataset.filters.empty()) {
    // HDF5 says what a chunk without filters should take, and would read what the index says.
    haddr_t address = 0;
    check(H5Dget_chunk_info_by_coord(dataset.id.get(), origin.data(), nullptr, &address, &stored),
          "find a chunk");
    if (stored != dataset.chunk_bytes) refuse("a damaged chunk");
  }
  if (stored > 2 * kMaxChunkBytes) refuse("a damaged chunk");
  Bytes bytes(stored);
  uint32_t left_out = 0;
  if (stored == 0) {  // never written
    bytes.resize(dataset.chunk_bytes);
    for (size_t at = 0; at < bytes.size(); at += dataset.value_bytes) {
      std::memcpy(bytes.data() + at, dataset.fill.data(), dataset.value_bytes);
    }
  } else {
    check(H5Dread_chunk(dataset.id.get(), H5P_DEFAULT, origin.data(), &left_out, bytes.data()),
          "read a chunk");
    dataset.unpack(bytes, left_out);
  }
  kept_ += dataset.chunk_bytes;
  return dataset.kept.emplace(origin, std::move(bytes)).first->second;
}

// Row by row of the innermost axis, piece by piece where it crosses chunks.
void SlabReader::gather(Dataset& dataset, const SlabRequest& request, std::byte* out) {
  const size_t rank = dataset.shape.size(), last = rank - 1;
  std::vector<hsize_t> at(request.start.begin(), request.start.end()), origin(rank);
  const auto end = static_cast<hsize_t>(request.start[last] + request.count[last]);
  const int64_t rows = element_count(Shape(request.count.begin(), request.count.end() - 1));
  for (int64_t row = 0; row < rows; ++row) {
    for (at[last] = static_cast<hsize_t>(request.start[last]); at[last] < end;) {
      size_t offset = 0;
      for (size_t i = 0; i < rank; ++i) {
        origin[i] = at[i] / dataset.chunk[i] * dataset.chunk[i];
        offset = offset * dataset.chunk[i] + (at[i] - origin[i]);
      }
      const hsize_t part = std::min(end, origin[last] + dataset.chunk[last]) - at[last];
      const Bytes& chunk = chunk_at(dataset, origin);
      std::memcpy(out, chunk.data() + offset * dataset.value_bytes, part * dataset.value_bytes);
      out += part * dataset.value_bytes;
      at[last] += part;
    }
    for (size_t axis = last; axis-- > 0;) {
      const auto stop = static_cast<hsize_t>(request.start[axis] + request.count[axis]);
      if (++at[axis] < stop) break;
      at[axis] = static_cast<hsize_t>(request.start[axis]);
    }
  }
}

namespace {

// Selects the part in the file; the memory that takes it.
Id select(const Id& space, const SlabRequest& request) {
  if (request.count.empty()) return Id(H5Screate(H5S_SCALAR), H5Sclose, "make a scalar space");
  const std::vector<hsize_t> start(request.start.begin(), request.start.end());
  const std::vector<hsize_t> count(request.count.begin(), request.count.end());
  check(H5Sselect_hyperslab(space.get(), H5S_SELECT_SET, start.data(), nullptr, count.data(),
                            nullptr),
        "select a part");
  return Id(H5Screate_simple(static_cast<int>(count.size()), count.data(), nullptr), H5Sclose,
            "make a space");
}

}  // namespace

std::vector<std::byte> SlabReader::numbers(const SlabRequest& request) try {
  Dataset& dataset = open(request);
  const ValueType have = dataset.values, want = request.wanted;
  const auto whole = [](ValueType t) { return t.kind < ValueKind::kReal; };
  if (!(whole(have) && whole(want)) &&
      !(have.kind == ValueKind::kReal && want.kind == ValueKind::kReal && want.bytes >= 4)) {
    refuse("holds values of another type");
  }
  const auto count = static_cast<uint64_t>(element_count(request.count));
  const size_t widest = std::max<size_t>(dataset.value_bytes, want.bytes);
  if (count > kMaxAnswerBytes / widest) refuse("too much at once");
  Bytes values(count * widest);  // converted in its place
  if (count == 0) return values;
  if (dataset.chunk.empty()) {
    const Id memory = select(dataset.space, request);
    check(H5Dread(dataset.id.get(), dataset.type.get(), memory.get(), dataset.space.get(),
                  H5P_DEFAULT, values.data()),
          "read it");
  } else {
    gather(dataset, request, values.data());
  }
  check(
      H5Tconvert(dataset.type.get(), memory_type(want), count, values.data(), nullptr, H5P_DEFAULT),
      "convert it");
  values.resize(count * want.bytes);
  return values;
} catch (const Error& error) {
  throw error.in(printable(request.path));
}

std::vector<std::byte> SlabReader::items(const SlabRequest& request) try {
  Dataset& dataset = open(request);
  const ValueType have = item_of(dataset.type.get()), want = request.wanted;
  const bool real = have.kind == ValueKind::kReal && want.kind == ValueKind::kReal;
  const bool whole = have.kind < ValueKind::kReal && want.kind < ValueKind::kReal;
  if (!real && !whole) refuse("holds no lists of such numbers");
  if (element_count(request.count) != 1) refuse("lists are read one at a time");
  const Id memory = select(dataset.space, request);
  const Id list_type(H5Tvlen_create(memory_type(want)), H5Tclose, "make a type of lists");
  hvl_t list = {0, nullptr};
  check(H5Dread(dataset.id.get(), list_type.get(), memory.get(), dataset.space.get(), H5P_DEFAULT,
                &list),
        "read it");
  if (list.len > kMaxAnswerBytes / want.bytes) refuse("a list of too many numbers");
  const auto* first = static_cast<const std::byte*>(list.p);
  std::vector<std::byte> values(first, first + list.len * want.bytes);
  check(H5Dvlen_reclaim(list_type.get(), memory.get(), H5P_DEFAULT, &list), "free it");
  return values;
} catch (const Error& error) {
  throw error.in(printable(request.path));
}

std::vector<std::string> SlabReader::texts(const SlabRequest& request) try {
  Dataset& dataset = open(request);
  if (dataset.values.kind != ValueKind::kText) refuse("holds no texts");
  const int64_t count = element_count(request.count);
  const Id memory = select(dataset.space, request);
  return collect_texts(dataset.type.get(), count, "its text", [&](hid_t type, void* values) {
    if (!dataset.chunk.empty() && H5Tis_variable_str(type) == 0) {
      return gather(dataset, request, static_cast<std::byte*>(values));
    }
    check(H5Dread(dataset.id.get(), type, memory.get(), dataset.space.get(), H5P_DEFAULT, values),
          "read it");
  });
} catch (const Error& error) {
  throw error.in(printable(request.path));
}

}  // namespace spikeloom::hdf5
