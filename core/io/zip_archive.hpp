#pragma once
// Read access to a zip archive in memory or in a file (libzip). Used for .npz and .pth.
//
// Everything is checked before memory is allocated: names, duplicate names, encryption, methods
// other than stored and deflate, stored sizes that exceed the archive (overlapping entries),
// entries that claim more than deflate can make of them, all together more than 128 times the
// archive (or 64 MiB). Failures throw Error(kData), Error(kCapacity) for more than the memory that
// is left. Not thread-safe.

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

struct zip;
struct zip_error;
struct zip_source;

namespace spikeloom {

struct ZipEntry {
  std::string name;
  int64_t index = 0;
  int64_t size = 0;         // bytes after inflation
  int64_t stored_size = 0;  // bytes in the archive
  bool deflated = false;    // otherwise stored as it is
};

enum class ZipCrc {
  kCheck,
  kIgnoreWhenStored,  // PyTorch can be told to write wrong checksums
};

class ZipArchive {
 public:
  // The bytes must outlive the archive. `what` (the path) starts every error message.
  ZipArchive(std::span<const std::byte> bytes, std::string what);
  // A file that stays open; entries are read from it when they are asked for.
  explicit ZipArchive(const std::filesystem::path& path);

  // In the order of the central directory.
  const std::vector<ZipEntry>& entries() const noexcept { return entries_; }
  // nullptr when absent.
  const ZipEntry* find(std::string_view name) const noexcept;
  // The content. Error(kData) when it is damaged or has more than `cap` bytes.
  std::vector<std::byte> read(const ZipEntry& entry, int64_t cap, ZipCrc crc) const;
  // At most the first `count` bytes, unchecked.
  std::vector<std::byte> read_start(const ZipEntry& entry, int64_t count) const;

  const std::string& what() const noexcept { return what_; }

 private:
  struct Close {
    void operator()(zip* archive) const noexcept;
  };
  void open(zip_source* source, zip_error* error, int64_t archive_bytes);
  void read_directory(int64_t archive_bytes);

  std::string what_;
  std::unique_ptr<zip, Close> archive_;
  std::vector<ZipEntry> entries_;
};

// Starts with the signature of a zip entry or of an empty archive.
bool is_zip(std::span<const std::byte> bytes) noexcept;

}  // namespace spikeloom
