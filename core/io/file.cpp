#include "core/io/file.hpp"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <new>
#include <string>
#include <system_error>

#include "core/error.hpp"
#include "core/io/bytes.hpp"
#include "core/sha256.hpp"

namespace spikeloom {
namespace {

constexpr size_t kBufferBytes = 1 << 18;
// Linux moves at most 2 GiB per call; stay below it.
constexpr size_t kChunkBytes = size_t{1} << 30;

// strerror is not thread-safe; the standard category is.
std::string reason(int error) {
  return std::generic_category().message(error);
}

struct stat status_of(int descriptor, const std::string& name) {
  struct stat info {};
  if (::fstat(descriptor, &info) != 0)
    throw Error(ErrorCode::kData, "cannot be read: " + reason(errno)).in_file(name);
  return info;
}

uint64_t checked_size(const struct stat& info, int64_t cap, const std::string& name) {
  if (S_ISDIR(info.st_mode))
    throw Error(ErrorCode::kData, "is a directory, not a file").in_file(name);
  if (!S_ISREG(info.st_mode)) throw Error(ErrorCode::kData, "is not a regular file").in_file(name);
  if (info.st_size > cap) {
    throw Error(ErrorCode::kData, name + ": has " + std::to_string(info.st_size) +
                                      " bytes, more than the limit of " + std::to_string(cap));
  }
  return static_cast<uint64_t>(info.st_size);
}

}  // namespace

InputFile::InputFile(const std::filesystem::path& path, int64_t cap)
    : name_(path.empty() ? "\"\"" : path.string()) {
  // O_NONBLOCK: opening a pipe that nobody writes to must not hang; it has no effect on regular
  // files.
  descriptor_ = ::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK);
  if (descriptor_ < 0)
    throw Error(ErrorCode::kData, "cannot be opened: " + reason(errno)).in_file(name_);
  try {
    const struct stat info = status_of(descriptor_, name_);
    size_ = checked_size(info, cap, name_);
    written_[0] = info.st_mtim.tv_sec;
    written_[1] = info.st_mtim.tv_nsec;
  } catch (...) {
    ::close(descriptor_);
    throw;
  }
}

InputFile::~InputFile() {
  ::close(descriptor_);
}

void InputFile::read_at(uint64_t offset, std::span<std::byte> to) const {
  for (size_t done = 0; done < to.size();) {
    const ssize_t got =
        ::pread(descriptor_, to.data() + done, std::min(to.size() - done, kChunkBytes),
                static_cast<off_t>(offset + done));
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) throw Error(ErrorCode::kData, "cannot be read: " + reason(errno)).in_file(name_);
    if (got == 0) throw Error(ErrorCode::kData, "became shorter while it was read").in_file(name_);
    done += static_cast<size_t>(got);
  }
}

std::string InputFile::sha256() const {
  Sha256 hash;
  std::vector<std::byte> part(size_t{1} << 20);
  for (uint64_t at = 0; at < size_; at += part.size()) {
    const std::span<std::byte> piece(part.data(), std::min<uint64_t>(part.size(), size_ - at));
    read_at(at, piece);
    hash.add(piece);
  }
  return hex(hash.finish());
}

void InputFile::check_unchanged() const {
  const struct stat info = status_of(descriptor_, name_);
  if (static_cast<uint64_t>(info.st_size) == size_ && info.st_mtim.tv_sec == written_[0] &&
      info.st_mtim.tv_nsec == written_[1]) {
    return;
  }
  throw Error(ErrorCode::kData, "was changed while it was read").in_file(name_);
}

std::vector<std::byte> read_file(const std::filesystem::path& path, int64_t cap) {
  const InputFile file(path, cap);
  std::vector<std::byte> bytes;
  try {
    bytes.resize(file.size());
  } catch (const std::bad_alloc&) {
    throw Error(ErrorCode::kData,
                path.string() + ": " + std::to_string(file.size()) + " bytes do not fit in memory");
  }
  file.read_at(0, bytes);
  return bytes;
}

OutputFile::OutputFile(std::filesystem::path path) : file_(std::move(path)) {
  buffer_.reserve(kBufferBytes);
}

void OutputFile::fail(const char* doing, int error) const {
  throw Error(ErrorCode::kRuntime, std::string(doing) + ": " + reason(error)).in_file(path());
}

void OutputFile::write_all(const std::byte* bytes, size_t count, int64_t offset) {
  if (file_.descriptor() < 0)
    throw Error(ErrorCode::kInternal, "written after commit").in_file(path());
  for (size_t done = 0; done < count;) {
    const ssize_t put =
        ::pwrite(file_.descriptor(), bytes + done, std::min(count - done, kChunkBytes),
                 offset + static_cast<int64_t>(done));
    if (put < 0 && errno == EINTR) continue;
    if (put < 0) fail("cannot be written", errno);
    if (put == 0) fail("cannot be written", ENOSPC);
    done += static_cast<size_t>(put);
  }
}

void OutputFile::flush() {
  write_all(buffer_.data(), buffer_.size(), flushed_);
  flushed_ += static_cast<int64_t>(buffer_.size());
  buffer_.clear();
}

void OutputFile::write(std::span<const std::byte> bytes) {
  if (bytes.size() > kBufferBytes - buffer_.size()) flush();
  if (bytes.size() > kBufferBytes) {
    write_all(bytes.data(), bytes.size(), flushed_);
    flushed_ += static_cast<int64_t>(bytes.size());
  } else {
    buffer_.insert(buffer_.end(), bytes.begin(), bytes.end());
  }
}

void OutputFile::write(std::string_view text) {
  write(as_bytes_of(text));
}

void OutputFile::write_at(int64_t offset, std::span<const std::byte> bytes) {
  if (offset < 0 || offset > size() || static_cast<int64_t>(bytes.size()) > size() - offset) {
    throw Error(ErrorCode::kInternal, "rewrite of bytes not yet written").in_file(path());
  }
  flush();
  write_all(bytes.data(), bytes.size(), offset);
}

void OutputFile::commit() {
  flush();
  if (const int error = file_.publish(); error != 0) fail("cannot be written", error);
}

void write_text_file(const std::filesystem::path& path, std::string_view text) {
  OutputFile file(path);
  file.write(text);
  file.commit();
}

}  // namespace spikeloom
