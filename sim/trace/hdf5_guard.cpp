// The walk over an untrusted file before anything in it is read (formats 0.2).

#include <array>
#include <fstream>
#include <set>

#include "core/error.hpp"
#include "core/io/hint.hpp"
#include "sim/trace/hdf5.hpp"

namespace spikeloom::hdf5 {
namespace {

constexpr int kMaxDepth = 32;
constexpr int64_t kMaxObjects = 1'000'000;
constexpr uint64_t kMaxChunkBytes = uint64_t{64} << 20;
// Deflate never packs more than 1032:1 (zlib's technical notes); a quiet population comes close. So
// this bound, rather than the 16:1 of weight files, separates stored zeros from a claim without
// storage.
constexpr uint64_t kMaxExpansion = 1100;
constexpr uint64_t kSmall = 1 << 20;

[[noreturn]] void refuse(const std::string& path, const std::string& why) {
  throw Error(ErrorCode::kData, printable(path) + ": " + why);
}

uint64_t product(const std::string& path, const std::vector<hsize_t>& extents, uint64_t element) {
  uint64_t bytes = element;
  for (const hsize_t extent : extents) {
    if (__builtin_mul_overflow(bytes, extent, &bytes)) refuse(path, "its extent overflows");
  }
  return bytes;
}

void check_filters(const std::string& path, hid_t properties) {
  const int count = H5Pget_nfilters(properties);
  if (count < 0) refuse(path, "unreadable filters");
  for (int i = 0; i < count; ++i) {
    unsigned flags = 0;
    size_t values = 0;
    const H5Z_filter_t filter = H5Pget_filter2(properties, static_cast<unsigned>(i), &flags,
                                               &values, nullptr, 0, nullptr, nullptr);
    if (filter < H5Z_FILTER_DEFLATE || filter > H5Z_FILTER_SCALEOFFSET) {
      refuse(path, "filter " + std::to_string(filter) + " is not available (allowed: 1 to 6)");
    }
  }
}

void check_chunk(const std::string& path, hid_t properties, int rank, uint64_t element,
                 uint64_t file_bytes) {
  std::vector<hsize_t> chunk(static_cast<size_t>(rank));
  if (H5Pget_chunk(properties, rank, chunk.data()) != rank) refuse(path, "unreadable chunk size");
  const uint64_t bytes = product(path, chunk, element);
  if (bytes > kMaxChunkBytes) refuse(path, "chunks of " + std::to_string(bytes) + " bytes");
  if (bytes > kSmall && bytes / kMaxExpansion > file_bytes) {
    refuse(path, "a chunk holds more than the file can");
  }
}

void check_dataset(const std::string& path, hid_t dataset, uint64_t file_bytes) {
  const Id properties(H5Dget_create_plist(dataset), H5Pclose, "read properties of " + path);
  if (H5Pget_external_count(properties.get()) != 0) refuse(path, "its data lie in another file");
  const H5D_layout_t layout = H5Pget_layout(properties.get());
  if (layout != H5D_CHUNKED && layout != H5D_CONTIGUOUS && layout != H5D_COMPACT) {
    refuse(path, "virtual datasets are not allowed");
  }
  check_filters(path, properties.get());
  const Id type(H5Dget_type(dataset), H5Tclose, "read the type of " + path);
  const Id space(H5Dget_space(dataset), H5Sclose, "read the extent of " + path);
  const int rank = H5Sget_simple_extent_ndims(space.get());
  const uint64_t element = H5Tget_size(type.get());
  if (rank < 0 || element == 0) refuse(path, "unreadable extent or type");
  std::vector<hsize_t> extents(static_cast<size_t>(rank));
  if (H5Sget_simple_extent_dims(space.get(), extents.data(), nullptr) != rank) {
    refuse(path, "unreadable extent");
  }
  if (layout == H5D_CHUNKED) check_chunk(path, properties.get(), rank, element, file_bytes);
  const uint64_t bytes = product(path, extents, element), stored = H5Dget_storage_size(dataset);
  if (stored > file_bytes) refuse(path, "stores more bytes than the file has");
  const uint64_t held = layout == H5D_CHUNKED ? stored * kMaxExpansion : stored;
  if (bytes > kSmall && bytes > held) {
    refuse(path, "claims " + std::to_string(bytes) + " bytes where " + std::to_string(stored) +
                     " are stored");
  }
}

class Walk {
 public:
  explicit Walk(int64_t file_bytes) : file_bytes_(static_cast<uint64_t>(file_bytes)) {}

  void group(const std::string& path, hid_t id, int depth) {
    if (depth > kMaxDepth) refuse(path, "groups lie deeper than 32");
    for (const Link& link : links_of(id)) {
      const std::string name = path + "/" + link.name;
      if (++objects_ > kMaxObjects) refuse(path, "more than 1000000 objects");
      if (link.type == H5L_TYPE_EXTERNAL) refuse(name, "external links are not allowed");
      if (link.type != H5L_TYPE_HARD) refuse(name, "soft links are not allowed");
      const Id object(H5Oopen(id, link.name.c_str(), H5P_DEFAULT), H5Oclose,
                      "open " + printable(name));
      H5O_info_t info;
      check(H5Oget_info(object.get(), &info), "look at " + printable(name));
      if (!visited_.insert(info.addr).second) continue;
      if (info.type == H5O_TYPE_GROUP) group(name, object.get(), depth + 1);
      if (info.type == H5O_TYPE_DATASET) check_dataset(name, object.get(), file_bytes_);
    }
  }

 private:
  uint64_t file_bytes_;
  int64_t objects_ = 0;
  std::set<haddr_t> visited_;
};

}  // namespace

int64_t check_signature(const std::filesystem::path& path) {
  static constexpr std::array<char, 8> kSignature = {'\x89', 'H',  'D',    'F',
                                                     '\r',   '\n', '\x1a', '\n'};
  std::error_code error;
  if (!std::filesystem::exists(path, error)) throw Error(ErrorCode::kData, "no such file");
  if (!std::filesystem::is_regular_file(path, error))
    throw Error(ErrorCode::kData, "not a regular file");
  std::ifstream stream(path, std::ios::binary);
  if (!stream) throw Error(ErrorCode::kData, "cannot be opened");
  const auto size = static_cast<int64_t>(std::filesystem::file_size(path, error));
  for (int64_t offset = 0; offset + 8 <= size; offset = offset == 0 ? 512 : offset * 2) {
    std::array<char, 8> bytes{};
    stream.seekg(offset);
    if (stream.read(bytes.data(), 8) && bytes == kSignature) return size;
  }
  throw Error(ErrorCode::kData, "not an HDF5 file");
}

void refuse_hostile(hid_t file, int64_t file_bytes) {
  const Id root(H5Gopen2(file, "/", H5P_DEFAULT), H5Gclose, "open the root group");
  Walk(file_bytes).group("", root.get(), 1);
}

}  // namespace spikeloom::hdf5
