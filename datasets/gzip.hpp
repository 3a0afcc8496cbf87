#pragma once
// Reads a byte stream that may be compressed with gzip (RFC 1952), as far as its reader asks and no
// further.

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <memory>
#include <span>
#include <vector>

#include "core/io/file.hpp"

namespace spikeloom {

// Compression is recognised by the first two bytes, not by the name. Memory is a block of the file
// plus what read() is given: a small file that would inflate to gigabytes costs nothing until
// somebody asks for them. Faults are Error(kData) naming the file. Not thread-safe.
class MaybeGzip {
 public:
  // At most 64 GiB.
  explicit MaybeGzip(const std::filesystem::path& path);
  ~MaybeGzip();
  MaybeGzip(const MaybeGzip&) = delete;
  MaybeGzip& operator=(const MaybeGzip&) = delete;

  // Fills `out`; Error(kData) when the stream ends before, is damaged or fails its checksum.
  void read(std::span<std::byte> out);
  // Passes over so many bytes.
  void skip(uint64_t count);
  // Error(kData) unless the stream ends here, its checksum is right and nothing follows it.
  void expect_end();
  // Error(kData) when `bytes` more bytes cannot, or only by absurd compression, come from this
  // file: call it before allocating what a header declares. Plain: exactly the bytes that follow.
  // gzip: at most max(16 x file size, 1 MiB).
  void justify(uint64_t bytes) const;
  bool is_gzip() const noexcept { return inflater_ != nullptr; }

 private:
  struct Inflater;
  size_t read_some(std::span<std::byte> out);
  bool another_member();
  void fill();

  std::filesystem::path path_;
  InputFile file_;
  uint64_t at_ = 0;               // bytes of the file that were used
  std::vector<std::byte> block_;  // gzip: from at_ on, what was read of it
  size_t block_at_ = 0;
  std::unique_ptr<Inflater> inflater_;  // null: plain
};

}  // namespace spikeloom
