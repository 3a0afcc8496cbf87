#include "core/io/hdf5/hdf5_journal.hpp"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <vector>

#include "core/error.hpp"
#include "core/hash.hpp"
#include "core/io/bytes.hpp"
#include "core/io/file.hpp"

namespace spikeloom::hdf5 {
namespace {

// magic, then per page its number and bytes, then the FNV-1a 64 of all before; u64 little-endian
constexpr uint64_t kMagic = 0x314c4e524a4c5053;  // "SPLJRNL1"
constexpr size_t kRecordBytes = 8 + kPageBytes;

void append(std::vector<uint8_t>& bytes, uint64_t value) {
  for (int i = 0; i < 8; ++i) bytes.push_back(static_cast<uint8_t>(value >> (8 * i)));
}

std::vector<uint8_t> encode(const Pages& pages) {
  std::vector<uint8_t> bytes;
  bytes.reserve(16 + pages.size() * kRecordBytes);
  append(bytes, kMagic);
  for (const auto& [number, page] : pages) {
    append(bytes, number);
    bytes.insert(bytes.end(), page.begin(), page.end());
  }
  append(bytes, fnv1a(bytes));
  return bytes;
}

}  // namespace

std::string journal_of(const std::string& file) {
  return file + ".journal";
}

int write_fully(int descriptor, const void* bytes, size_t size, uint64_t offset) noexcept {
  const auto* from = static_cast<const unsigned char*>(bytes);
  while (size > 0) {
    const ssize_t put = pwrite(descriptor, from, size, static_cast<off_t>(offset));
    if (put < 0 && errno == EINTR) continue;
    if (put <= 0) return put < 0 ? errno : ENOSPC;
    offset += static_cast<uint64_t>(put);
    from += put;
    size -= static_cast<size_t>(put);
  }
  return 0;
}

int commit_pages(const std::string& file, int descriptor, const Pages& pages, uint64_t size) {
  const std::string journal = journal_of(file);
  // Growing comes first: the pages may tell of a longer file. Shrinking comes last: until they are
  // in place every byte is needed.
  struct stat status = {};
  if (fstat(descriptor, &status) != 0) return errno;
  const auto length = static_cast<off_t>(size);
  if (status.st_size < length && ftruncate(descriptor, length) != 0) return errno;
  if (!pages.empty()) {
    const std::vector<uint8_t> bytes = encode(pages);
    const int out =
        ::open(journal.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0666);
    if (out < 0) return errno;
    int error = write_fully(out, bytes.data(), bytes.size(), 0);
    if (::close(out) != 0 && error == 0) error = errno;
    if (error != 0) {
      ::unlink(journal.c_str());
      return error;
    }
    for (const auto& [number, page] : pages) {
      error = write_fully(descriptor, page.data(), kPageBytes, number * kPageBytes);
      if (error != 0) return error;  // the journal stays: it holds what the file lacks
    }
  }
  if (status.st_size > length && ftruncate(descriptor, length) != 0) return errno;
  if (!pages.empty() && ::unlink(journal.c_str()) != 0) return errno;
  return 0;
}

int settle(const std::string& file) {
  const std::string journal = journal_of(file);
  if (::access(journal.c_str(), F_OK) != 0) return 0;
  const Pages pages = load_journal(file);
  const int out = ::open(file.c_str(), O_WRONLY | O_NOFOLLOW | O_CLOEXEC);
  if (out < 0) return errno;
  int error = 0;
  for (const auto& [number, page] : pages) {
    if (error == 0) error = write_fully(out, page.data(), kPageBytes, number * kPageBytes);
  }
  ::close(out);
  if (error == 0 && ::unlink(journal.c_str()) != 0) error = errno;
  return error;
}

Pages load_journal(const std::string& file) {
  Pages pages;
  std::vector<std::byte> bytes;
  try {
    bytes = read_file(journal_of(file));
  } catch (const Error&) {
    return pages;
  }
  if (bytes.size() < 16 || (bytes.size() - 16) % kRecordBytes != 0) return pages;
  const size_t end = bytes.size() - 8;
  const auto* start = reinterpret_cast<const uint8_t*>(bytes.data());
  if (load_le<uint64_t>(bytes, 0) != kMagic || load_le<uint64_t>(bytes, end) != fnv1a({start, end}))
    return pages;
  for (size_t at = 8; at < end; at += kRecordBytes) {
    std::memcpy(pages[load_le<uint64_t>(bytes, at)].data(), start + at + 8, kPageBytes);
  }
  return pages;
}

}  // namespace spikeloom::hdf5
