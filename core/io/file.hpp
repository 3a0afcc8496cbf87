#pragma once
// Whole files in, and files out that never carry their final name half-written.

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "core/io/temporary.hpp"

namespace spikeloom {

// Largest file any reader accepts unless told otherwise, in bytes.
constexpr int64_t kMaxFileBytes = int64_t{64} << 30;

// A regular file that is read piece by piece. Throws Error(kData) naming the path when it is
// missing, a directory or device, unreadable, larger than `cap` bytes, or shrinks meanwhile.
// Thread-safe once it is open.
class InputFile {
 public:
  explicit InputFile(const std::filesystem::path& path, int64_t cap = kMaxFileBytes);
  ~InputFile();
  InputFile(const InputFile&) = delete;
  InputFile& operator=(const InputFile&) = delete;

  // Bytes it had when it was opened.
  uint64_t size() const noexcept { return size_; }
  // Lower-case hex of the SHA-256 of all its bytes, read piece by piece.
  std::string sha256() const;
  // Fills `to` from an offset.
  void read_at(uint64_t offset, std::span<std::byte> to) const;
  // Error(kData) when the file has another size or was written since it was opened: what was read
  // before and what comes are not of one file.
  void check_unchanged() const;

 private:
  std::string name_;
  int descriptor_ = -1;
  uint64_t size_ = 0;
  int64_t written_[2] = {};  // when: seconds, nanoseconds
};

// All its bytes; throws like InputFile.
std::vector<std::byte> read_file(const std::filesystem::path& path, int64_t cap = kMaxFileBytes);

// Writes to a TemporaryFile; commit() gives it the final name. Without commit() the destructor
// removes the temporary file. Every failure (no such folder, disk full, ...) throws Error(kRuntime)
// with the path and the system's reason. Not thread-safe; of two writers of one name at a time the
// last to commit wins, whole.
class OutputFile {
 public:
  explicit OutputFile(std::filesystem::path path);
  OutputFile(const OutputFile&) = delete;
  OutputFile& operator=(const OutputFile&) = delete;

  // Appends (buffered).
  void write(std::span<const std::byte> bytes);
  void write(std::string_view text);
  // Overwrites bytes that were appended before, such as a header; the append position does not
  // move.
  void write_at(int64_t offset, std::span<const std::byte> bytes);
  // From now on the temporary file stays behind when commit() is not reached.
  void keep_partial() noexcept { file_.keep(); }
  // Flush, fsync, close, rename. No writing after it.
  void commit();

  const std::filesystem::path& path() const noexcept { return file_.final_name(); }
  const std::filesystem::path& temporary() const noexcept { return file_.path(); }
  // Bytes appended so far.
  int64_t size() const noexcept { return flushed_ + static_cast<int64_t>(buffer_.size()); }

 private:
  void flush();
  void write_all(const std::byte* bytes, size_t count, int64_t offset);
  [[noreturn]] void fail(const char* doing, int error) const;

  TemporaryFile file_;
  int64_t flushed_ = 0;
  std::vector<std::byte> buffer_;
};

// The whole text as one file, by way of OutputFile.
void write_text_file(const std::filesystem::path& path, std::string_view text);

}  // namespace spikeloom
