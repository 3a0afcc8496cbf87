#pragma once
// Reads a byte stream that may be compressed with gzip (RFC 1952), as far as its reader asks and no
// further.

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <memory>
#include <span>
#include <vector>

namespace spikeloom {

// Compression is recognised by the first two bytes, not by the name. Memory is what the file takes
// plus what read() is given: a small file that would inflate to gigabytes costs nothing until
// somebody asks for them. Faults are Error(kData) naming the file. Not thread-safe.
class MaybeGzip {
 public:
  // Reads the whole file (at most 64 GiB) without inflating it.
  explicit MaybeGzip(const std::filesystem::path& path);
  ~MaybeGzip();
  MaybeGzip(const MaybeGzip&) = delete;
  MaybeGzip& operator=(const MaybeGzip&) = delete;

  // Fills `out`; Error(kData) when the stream ends before, is damaged or fails its checksum.
  void read(std::span<std::byte> out);
  // Error(kData) unless the stream ends here, its checksum is right and nothing follows it.
  void expect_end();
  // Error(kData) when `bytes` more bytes cannot, or only by absurd compression, come from this
  // file: call it before allocating what a header declares. Plain: exactly the bytes that follow.
  // gzip: at most max(16 x file size, 1 MiB).
  void justify(uint64_t bytes) const;

 private:
  struct Inflater;
  size_t read_some(std::span<std::byte> out);

  std::filesystem::path path_;
  std::vector<std::byte> bytes_;
  size_t at_ = 0;                       // plain files
  std::unique_ptr<Inflater> inflater_;  // null: plain
};

}  // namespace spikeloom
