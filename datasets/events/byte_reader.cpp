#include "datasets/events/byte_reader.hpp"

#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <system_error>

#include "core/error.hpp"
#include "core/io/bytes.hpp"

namespace spikeloom {
namespace {

constexpr size_t kBlock = 64 << 10;

}  // namespace

ByteReader::ByteReader(std::shared_ptr<const InputFile> file) : file_(std::move(file)) {}

ByteReader ByteReader::standard_input(std::string start) {
  ByteReader reader;
  const auto bytes = as_bytes_of(start);
  reader.block_.assign(bytes.begin(), bytes.end());
  reader.read_ = start.size();
  return reader;
}

void ByteReader::drop_used() {
  block_.erase(block_.begin(), block_.begin() + static_cast<std::ptrdiff_t>(used_));
  used_ = 0;
}

// A live source must not wait for more than it has.
size_t ByteReader::read_more(std::span<std::byte> to) {
  if (file_) {
    const auto count = static_cast<size_t>(std::min<uint64_t>(to.size(), file_->size() - read_));
    if (count > 0) file_->read_at(read_, to.first(count));
    return count;
  }
  for (;;) {
    const ssize_t got = ::read(STDIN_FILENO, to.data(), to.size());
    if (got >= 0) return static_cast<size_t>(got);
    if (errno == EINTR) continue;
    throw Error(ErrorCode::kData, "cannot be read: " + std::generic_category().message(errno));
  }
}

std::span<const std::byte> ByteReader::peek(size_t count) {
  while (block_.size() - used_ < count && !ended_) {
    drop_used();
    const size_t had = block_.size();
    block_.resize(had + kBlock);
    size_t got = 0;
    try {
      got = read_more(std::span(block_).subspan(had));
    } catch (...) {
      block_.resize(had);
      throw;
    }
    block_.resize(had + got);
    read_ += got;
    ended_ = got == 0;
  }
  return std::span<const std::byte>(block_).subspan(used_);
}

void ByteReader::skip(uint64_t count) {
  while (count > 0) {
    const size_t here = block_.size() - used_;
    if (here == 0) {
      if (peek(1).empty()) return;
      continue;
    }
    const auto part = static_cast<size_t>(std::min<uint64_t>(count, here));
    used_ += part;
    offset_ += part;
    count -= part;
  }
}

}  // namespace spikeloom
