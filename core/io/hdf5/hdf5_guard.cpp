// The walk over an untrusted file before HDF5 opens it.

#include <set>

#include "core/error.hpp"
#include "core/io/bytes.hpp"
#include "core/io/hdf5/hdf5.hpp"
#include "core/io/hdf5/hdf5_raw.hpp"
#include "core/io/hint.hpp"

namespace spikeloom::hdf5 {
namespace {

constexpr int kMaxDepth = 32;
constexpr int64_t kMaxTraceObjects = 1'000'000;
constexpr uint64_t kMaxChunkBytes = uint64_t{64} << 20;
// Deflate never packs more than 1032:1 (zlib's technical notes); a quiet population comes close. So
// this bound, rather than the 16:1 of weight files, separates stored zeros from a claim without
// storage.
constexpr uint64_t kMaxExpansion = 1100;
constexpr uint64_t kSmall = 1 << 20;

[[noreturn]] void refuse(const std::string& why) {
  throw Error(ErrorCode::kData, why);
}

uint64_t product(const std::vector<uint64_t>& extents, uint64_t element) {
  uint64_t bytes = element;
  for (const uint64_t extent : extents) {
    if (__builtin_mul_overflow(bytes, extent, &bytes)) refuse("its extent overflows");
  }
  return bytes;
}

// The tree that finds the chunks of a dataset (specification III.A.1, node type 1). It carries no
// checksum.
class ChunkTree {
 public:
  ChunkTree(RawFile& file, const RawObject& dataset)
      : file_(file), dataset_(dataset), chunk_bytes_(product(dataset.chunk, 1)) {}

  // Bytes of all chunks as they are stored.
  uint64_t walk() {
    if (dataset_.data_address != kNoAddress) node(dataset_.data_address, -1);
    return stored_;
  }

 private:
  static constexpr int kMaxLevel = 16;

  // `level` is what the parent asks for; -1 takes any.
  void node(uint64_t address, int level) {
    constexpr uint64_t kHeadBytes = 24;
    const std::vector<std::byte> head = file_.read(address, kHeadBytes);
    const auto kind = load_le<uint8_t>(head, 4), found = load_le<uint8_t>(head, 5);
    const auto used = load_le<uint16_t>(head, 6);
    if (!as_text(head).starts_with("TREE") || kind != 1 || found > kMaxLevel ||
        (level >= 0 && found != level) || !seen_.insert(address).second) {
      refuse("a damaged tree of chunks");
    }
    const uint64_t key_bytes = 8 + 8 * dataset_.chunk.size(), entry_bytes = key_bytes + 8;
    const auto bytes = file_.read(address, kHeadBytes + used * entry_bytes + key_bytes);
    for (uint64_t i = 0; i < used; ++i) {
      const std::span key = std::span(bytes).subspan(kHeadBytes + i * entry_bytes);
      const auto child = load_le<uint64_t>(key, key_bytes);
      if (found > 0) {
        node(child, found - 1);
      } else {
        chunk(key, child);
      }
    }
  }

  void chunk(std::span<const std::byte> key, uint64_t address) {
    const auto bytes = load_le<uint32_t>(key, 0);
    if (!file_.holds(address, bytes)) refuse("stores more bytes than the file has");
    if (!dataset_.filtered && bytes != chunk_bytes_) refuse("a chunk of another size");
    for (size_t i = 0; i < dataset_.chunk.size(); ++i) {
      const auto offset = load_le<uint64_t>(key, 8 + 8 * i);
      if (offset % dataset_.chunk[i] != 0) refuse("a chunk between the places of chunks");
    }
    stored_ += bytes;
    if (stored_ > file_.bytes()) refuse("stores more bytes than the file has");
  }

  RawFile& file_;
  const RawObject& dataset_;
  uint64_t chunk_bytes_;
  uint64_t stored_ = 0;
  std::set<uint64_t> seen_;
};

void check_chunk(const RawObject& dataset, uint64_t file_bytes) {
  const size_t rank = dataset.extents->size();
  if (rank == 0 || dataset.chunk.size() != rank + 1 ||
      dataset.chunk[rank] != dataset.element_bytes) {
    refuse("chunks that do not fit the dataset");
  }
  const uint64_t bytes = product(dataset.chunk, 1);
  if (bytes == 0) refuse("chunks without elements");
  if (bytes > kMaxChunkBytes) refuse("chunks of " + std::to_string(bytes) + " bytes");
  if (bytes > kSmall && bytes / kMaxExpansion > file_bytes) {
    refuse("a chunk holds more than the file can");
  }
}

void check_dataset(RawFile& file, const RawObject& dataset) {
  if (!dataset.extents || dataset.element_bytes == 0) refuse("a dataset without extent or type");
  const bool chunked = dataset.layout == RawLayout::kChunked;
  if (chunked) check_chunk(dataset, file.bytes());
  if (dataset.filtered && !chunked) refuse("filters without chunks");
  const uint64_t bytes = product(*dataset.extents, dataset.element_bytes);
  const bool stored_whole = dataset.data_address != kNoAddress && !chunked;
  if (stored_whole && !file.holds(dataset.data_address, dataset.data_bytes)) {
    refuse("stores more bytes than the file has");
  }
  uint64_t stored = 0;
  if (chunked) {
    stored = ChunkTree(file, dataset).walk();
  } else if (stored_whole || dataset.layout == RawLayout::kCompact) {
    stored = dataset.data_bytes;
    if (stored != bytes) refuse("its data have another size than its extent");
  }
  if (bytes > kSmall && bytes > (chunked ? stored * kMaxExpansion : stored)) {
    refuse("claims " + std::to_string(bytes) + " bytes where " + std::to_string(stored) +
           " are stored");
  }
}

class Walk {
 public:
  explicit Walk(RawFile& file) : file_(file) {}

  void object(const std::string& path, uint64_t address, int depth) {
    if (!visited_.insert(address).second) return;
    RawObject object;
    try {
      if (++objects_ > kMaxTraceObjects) refuse("more than 1000000 objects");
      object = read_object(file_, address);
      if (object.is_group == (object.layout != RawLayout::kNone)) {
        throw UnknownStructure("neither a group nor a dataset");
      }
      if (!object.is_group) return check_dataset(file_, object);
      if (depth > kMaxDepth) refuse("groups lie deeper than 32");
    } catch (const UnknownStructure& unknown) {
      throw path.empty() ? unknown : unknown.within(printable(path));
    } catch (const Error& error) {
      throw path.empty() ? error : error.in(printable(path));
    }
    for (const RawLink& link : object.links) {
      this->object(path + "/" + link.name, link.address, depth + 1);
    }
  }

 private:
  RawFile& file_;
  int64_t objects_ = 0;
  std::set<uint64_t> visited_;
};

}  // namespace

void refuse_hostile(const std::filesystem::path& path) {
  RawFile file(path);
  Walk(file).object("", file.root(), 1);
}

}  // namespace spikeloom::hdf5
