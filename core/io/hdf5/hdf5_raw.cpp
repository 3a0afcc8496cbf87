// Superblock and object headers; the messages in them: hdf5_messages.cpp.

#include "core/io/hdf5/hdf5_raw.hpp"

#include <algorithm>
#include <cstring>
#include <set>

#include "core/error.hpp"
#include "core/io/bytes.hpp"
#include "core/io/hdf5/hdf5.hpp"

namespace spikeloom::hdf5 {
namespace {

constexpr std::string_view kSignature("\x89HDF\r\n\x1a\n", 8);
constexpr uint64_t kChecksumBytes = 4;
// Of one object: the names of some hundred thousand populations.
constexpr uint64_t kMaxHeaderBytes = 16 << 20;
constexpr uint64_t kFreeBytes = 1 << 20;
constexpr uint8_t kContinuation = 0x10;
constexpr uint8_t kShared = 0x02;  // flag of a message: it lies elsewhere

[[noreturn]] void refuse(const std::string& why) {
  throw Error(ErrorCode::kData, why);
}

[[noreturn]] void unknown(const std::string& what) {
  throw UnknownStructure(what);
}

// Bytes [begin, end) hold the messages; `more` receives the continuations.
struct Block {
  std::vector<std::byte> bytes;
  size_t begin, end;
};
struct Piece {
  uint64_t address, bytes;
};

void read_messages(const Block& block, bool ordered, RawObject& object, std::vector<Piece>& more) {
  const size_t prefix = ordered ? 6 : 4;
  for (size_t at = block.begin; block.end - at >= prefix;) {
    const auto type = load_le<uint8_t>(block.bytes, at);
    const auto size = load_le<uint16_t>(block.bytes, at + 1);
    const auto flags = load_le<uint8_t>(block.bytes, at + 3);
    at += prefix;
    if (size > block.end - at) refuse("a header message exceeds its header");
    if ((flags & kShared) != 0) unknown("shared header messages are not allowed");
    const auto message = std::span(block.bytes).subspan(at, size);
    if (type == kContinuation) {
      more.push_back({load_le<uint64_t>(message, 0), load_le<uint64_t>(message, 8)});
    } else {
      read_message(type, message, object);
    }
    at += size;
  }
}

struct Header {
  Block first;
  bool ordered;  // messages carry their order of creation
};

Header read_header(RawFile& file, uint64_t address) {
  constexpr uint64_t kPrefixBytes = 6;
  const std::vector<std::byte> prefix = file.read(address, kPrefixBytes);
  if (!as_text(prefix).starts_with("OHDR") || load_le<uint8_t>(prefix, 4) != 2) {
    unknown("an object header of the format before HDF5 1.8, which has no checksum");
  }
  const auto flags = load_le<uint8_t>(prefix, 5);
  const uint64_t times = (flags & 0x20) != 0 ? 16 : 0, limits = (flags & 0x10) != 0 ? 4 : 0;
  const uint64_t at = kPrefixBytes + times + limits, width = uint64_t{1} << (flags & 3);
  const std::vector<std::byte> field = file.read(address + at, width);
  uint64_t length = 0;
  std::memcpy(&length, field.data(), width);
  if (length > kMaxHeaderBytes) refuse("an object header of " + std::to_string(length) + " bytes");
  const size_t begin = at + width, end = begin + length;
  return {{file.read(address, end + kChecksumBytes), begin, end}, (flags & 0x04) != 0};
}

}  // namespace

RawObject read_object(RawFile& file, uint64_t address) {
  const Header header = read_header(file, address);
  RawObject object;
  std::vector<Piece> more;
  read_messages(header.first, header.ordered, object, more);
  uint64_t total = header.first.bytes.size();
  std::set<uint64_t> seen;
  for (size_t i = 0; i < more.size(); ++i) {
    const Piece piece = more[i];
    total += piece.bytes;
    if (piece.bytes < 8 || piece.bytes > kMaxHeaderBytes || total > kMaxHeaderBytes ||
        !seen.insert(piece.address).second) {
      refuse("damaged continuation of an object header");
    }
    Block block{file.read(piece.address, piece.bytes), 4, piece.bytes - kChecksumBytes};
    if (!as_text(block.bytes).starts_with("OCHK")) {
      refuse("damaged continuation of an object header");
    }
    read_messages(block, header.ordered, object, more);
  }
  std::sort(object.links.begin(), object.links.end(),
            [](const RawLink& a, const RawLink& b) { return a.name < b.name; });
  const auto twice =
      std::adjacent_find(object.links.begin(), object.links.end(),
                         [](const RawLink& a, const RawLink& b) { return a.name == b.name; });
  if (twice != object.links.end()) refuse("a name occurs twice");
  return object;
}

RawFile::RawFile(const std::filesystem::path& path) {
  std::error_code error;
  if (!std::filesystem::exists(path, error)) refuse("no such file");
  if (!std::filesystem::is_regular_file(path, error)) refuse("not a regular file");
  stream_.open(path, std::ios::binary);
  if (!stream_) refuse("cannot be opened");
  size_ = std::filesystem::file_size(path, error);
  if (error) refuse("cannot be read");
  journal_ = load_journal(path.string());
  base_ = find_signature();
  read_superblock();
}

uint64_t RawFile::find_signature() {
  for (uint64_t at = 0; holds(at, kSignature.size()); at = at == 0 ? 512 : at * 2) {
    if (as_text(read(at, kSignature.size())) == kSignature) return at;
  }
  refuse("not an HDF5 file");
}

void RawFile::read_superblock() {
  const auto version = load_le<uint8_t>(read(0, kSignature.size() + 1), kSignature.size());
  if (version != 2 && version != 3) {
    unknown("HDF5 superblock version " + std::to_string(version) +
            "; traces have version 2, whose structures carry checksums");
  }
  constexpr uint64_t kBytes = 48;
  const std::vector<std::byte> block = read(0, kBytes);
  if (load_le<uint8_t>(block, 9) != 8 || load_le<uint8_t>(block, 10) != 8) {
    unknown("HDF5 addresses or lengths of other than 8 bytes");
  }
  if (load_le<uint64_t>(block, 12) != base_) refuse("a wrong HDF5 base address");
  if (load_le<uint64_t>(block, 20) != kNoAddress)
    unknown("HDF5 superblock extensions are not read");
  root_ = load_le<uint64_t>(block, 36);
}

bool RawFile::holds(uint64_t address, uint64_t count) const noexcept {
  const uint64_t size = size_ - base_;
  return address <= size && count <= size - address;
}

std::vector<std::byte> RawFile::read(uint64_t address, uint64_t count) {
  if (!holds(address, count)) refuse("an HDF5 structure lies outside of the file");
  // Each structure is read at most three times; overlapping ones would multiply the work.
  taken_ += count;
  if (taken_ > 4 * size_ + kFreeBytes) refuse("its HDF5 structures overlap");
  std::vector<std::byte> bytes(count);
  stream_.clear();
  stream_.seekg(static_cast<std::streamoff>(base_ + address));
  stream_.read(reinterpret_cast<char*>(bytes.data()), static_cast<std::streamsize>(count));
  if (!stream_) refuse("cannot be read");
  if (!journal_.empty()) {
    for_each_page(base_ + address, count,
                  [&](uint64_t page, uint64_t offset, size_t part, size_t done) {
                    const auto newer = journal_.find(page);
                    if (newer == journal_.end()) return true;
                    std::memcpy(bytes.data() + done, newer->second.data() + offset, part);
                    return true;
                  });
  }
  return bytes;
}

}  // namespace spikeloom::hdf5
