#pragma once
// The raw bytes of an HDF5 file, understood and checked before HDF5 sees them. Internal to
// sim/trace.
//
// HDF5 1.10.8 trusts what it decodes: damaged messages end in wild frees, reads beyond buffers and
// allocations of any size (found by fuzzing, tests/fuzz/README.md). So a file is taken only when
// every structure that HDF5 will decode is one that a trace has and lies inside the file:
// superblock version 2 or 3, object headers of version 2 with links and attributes inside, plain
// numbers and texts, chunks indexed by a tree of version 1. Checksums are left to HDF5. Source:
// HDF5 File Format Specification Version 3.0, II.A, III.A.1, IV.A.
//
// Everything throws Error(kData); the caller adds the name of the object.

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <fstream>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "core/io/hdf5/hdf5_journal.hpp"

namespace spikeloom::hdf5 {

constexpr uint64_t kNoAddress = ~uint64_t{0};

class RawFile {
 public:
  // A regular file with the HDF5 signature at 0 or behind a user block; a whole journal beside it
  // counts as part of it.
  explicit RawFile(const std::filesystem::path& path);
  uint64_t bytes() const noexcept { return size_; }
  // Address of the root group.
  uint64_t root() const noexcept { return root_; }
  // `count` bytes of an address of the file. All reads together may take four times the file.
  std::vector<std::byte> read(uint64_t address, uint64_t count);
  // Does the range lie inside the file?
  bool holds(uint64_t address, uint64_t count) const noexcept;

 private:
  uint64_t find_signature();
  void read_superblock();

  std::ifstream stream_;
  Pages journal_;  // of a killed run: newer than the file
  uint64_t size_ = 0, base_ = 0, root_ = 0;
  uint64_t taken_ = 0;  // bytes read so far
};

struct RawLink {
  std::string name;
  uint64_t address;
};

enum class RawLayout { kNone, kCompact, kContiguous, kChunked };

// What an object header says. A group has links, a dataset a layout.
struct RawObject {
  bool is_group = false;
  std::vector<RawLink> links;
  std::optional<std::vector<uint64_t>> extents;  // empty: a scalar
  uint64_t element_bytes = 0;                    // 0: no datatype
  RawLayout layout = RawLayout::kNone;
  uint64_t data_address = kNoAddress;  // contiguous data, or the tree of the chunks
  uint64_t data_bytes = 0;             // compact and contiguous
  std::vector<uint64_t> chunk;         // elements; the last is the bytes of one element
  bool filtered = false;
};

// Reads the object header at an address and checks each of its messages.
RawObject read_object(RawFile& file, uint64_t address);

// One message of a header, checked and noted in the object. Continuations are not for it.
void read_message(uint8_t type, std::span<const std::byte> bytes, RawObject& object);

}  // namespace spikeloom::hdf5
