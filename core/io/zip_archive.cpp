#include "core/io/zip_archive.hpp"

#include <fmt/format.h>
#include <zip.h>

#include <algorithm>
#include <unordered_set>

#include "core/error.hpp"
#include "core/io/bytes.hpp"
#include "core/io/file.hpp"
#include "core/memory_limit.hpp"

namespace spikeloom {
namespace {

constexpr int64_t kMaxEntries = 1'000'000;
// Deflate makes at most so much of a byte (RFC 1951: 258 bytes of two bits); more is a lie.
constexpr int64_t kMostOfAByte = 1032;
// What all entries may claim together: spikes, of which one in 200 is set, take a ninetieth of
// their bytes.
constexpr int64_t kMaxInflation = 128;
constexpr int64_t kFreeTotalBytes = 64 << 20;
constexpr int64_t kChunkBytes = 1 << 20;

[[noreturn]] void fail(const std::string& what, const std::string& why) {
  throw Error(ErrorCode::kData, what + ": " + why);
}

struct CloseEntry {
  void operator()(zip_file_t* file) const noexcept { zip_fclose(file); }
};
using EntryFile = std::unique_ptr<zip_file_t, CloseEntry>;

EntryFile open_entry(zip* archive, const ZipEntry& entry, zip_flags_t flags,
                     const std::string& where) {
  EntryFile file(zip_fopen_index(archive, static_cast<zip_uint64_t>(entry.index), flags));
  if (!file) fail(where, std::string("cannot be opened: ") + zip_strerror(archive));
  return file;
}

// Up to `count` bytes. The buffer grows with what is really there, never with what the directory
// claims.
std::vector<std::byte> read_up_to(zip_file_t* file, int64_t count, const std::string& where) {
  std::vector<std::byte> bytes;
  while (static_cast<int64_t>(bytes.size()) < count) {
    const size_t done = bytes.size();
    const int64_t left = count - static_cast<int64_t>(done);
    bytes.resize(done + static_cast<size_t>(std::min(left, kChunkBytes)));
    const zip_int64_t got = zip_fread(file, bytes.data() + done, bytes.size() - done);
    if (got < 0) fail(where, std::string("is damaged: ") + zip_file_strerror(file));
    bytes.resize(done + static_cast<size_t>(got));
    if (got == 0) break;
  }
  return bytes;
}

ZipEntry read_entry(zip* archive, int64_t index, const std::string& what) {
  zip_stat_t info;
  zip_stat_init(&info);
  constexpr zip_uint64_t kNeeded =
      ZIP_STAT_NAME | ZIP_STAT_SIZE | ZIP_STAT_COMP_SIZE | ZIP_STAT_COMP_METHOD;
  if (zip_stat_index(archive, static_cast<zip_uint64_t>(index), 0, &info) != 0 ||
      (info.valid & kNeeded) != kNeeded) {
    fail(what, "zip entry " + std::to_string(index) + " is damaged");
  }
  ZipEntry entry;
  entry.name = info.name;
  entry.index = index;
  check_name(entry.name, what);
  const std::string where = what + ": entry '" + entry.name + "'";
  if ((info.valid & ZIP_STAT_ENCRYPTION_METHOD) != 0 && info.encryption_method != ZIP_EM_NONE) {
    fail(where, "is encrypted");
  }
  if (info.comp_method != ZIP_CM_STORE && info.comp_method != ZIP_CM_DEFLATE) {
    fail(where, "has compression method " + std::to_string(info.comp_method));
  }
  constexpr auto kMax = static_cast<zip_uint64_t>(kMaxFileBytes);
  if (info.size > kMax || info.comp_size > kMax) fail(where, "is larger than 64 GiB");
  entry.size = static_cast<int64_t>(info.size);
  entry.stored_size = static_cast<int64_t>(info.comp_size);
  entry.deflated = info.comp_method == ZIP_CM_DEFLATE;
  const bool possible = entry.deflated ? entry.size / kMostOfAByte <= entry.stored_size
                                       : entry.size == entry.stored_size;
  if (!possible) {
    fail(where, "claims " + std::to_string(entry.size) + " bytes in " +
                    std::to_string(entry.stored_size) + " stored ones");
  }
  return entry;
}

}  // namespace

void ZipArchive::Close::operator()(zip* archive) const noexcept {
  zip_discard(archive);
}

ZipArchive::ZipArchive(std::span<const std::byte> bytes, std::string what)
    : what_(std::move(what)) {
  zip_error_t error;
  zip_error_init(&error);
  open(zip_source_buffer_create(bytes.data(), bytes.size(), 0, &error), &error,
       static_cast<int64_t>(bytes.size()));
}

ZipArchive::ZipArchive(const std::filesystem::path& path) : what_(path.string()) {
  const auto size = static_cast<int64_t>(InputFile(path).size());
  zip_error_t error;
  zip_error_init(&error);
  open(zip_source_file_create(path.c_str(), 0, size, &error), &error, size);
}

void ZipArchive::open(zip_source* source, zip_error* error, int64_t archive_bytes) {
  if (source != nullptr) archive_.reset(zip_open_from_source(source, ZIP_RDONLY, error));
  if (!archive_) {
    const std::string why = zip_error_strerror(error);
    if (source != nullptr) zip_source_free(source);
    zip_error_fini(error);
    fail(what_, "not a readable zip archive: " + why);
  }
  zip_error_fini(error);
  read_directory(archive_bytes);
}

void ZipArchive::read_directory(int64_t archive_bytes) {
  const int64_t count = zip_get_num_entries(archive_.get(), 0);
  if (count < 0 || count > kMaxEntries) fail(what_, "more than 1000000 zip entries");
  std::unordered_set<std::string> names;
  int64_t stored = 0;
  int64_t inflated = 0;
  for (int64_t i = 0; i < count; ++i) {
    ZipEntry entry = read_entry(archive_.get(), i, what_);
    if (!names.insert(entry.name).second) fail(what_, "entry '" + entry.name + "' occurs twice");
    // Disjoint entries cannot hold more than the archive; overlapping ones would multiply memory.
    stored += entry.stored_size;
    inflated += entry.size;
    if (stored > archive_bytes) fail(what_, "the zip entries overlap or exceed the file");
    if (inflated > std::max(kFreeTotalBytes, kMaxInflation * archive_bytes)) {
      fail(what_, "inflates to more than 128 times its size");
    }
    entries_.push_back(std::move(entry));
  }
  if (inflated <= kFreeTotalBytes) return;
  if (const MemoryLimit memory = memory_limit(); static_cast<double>(inflated) > memory.left) {
    throw Error(ErrorCode::kCapacity,
                fmt::format("{}: holds {:.0f} MB, {:.0f} MB of {} are left", what_,
                            static_cast<double>(inflated) / 1e6, memory.left / 1e6, memory.what));
  }
}

const ZipEntry* ZipArchive::find(std::string_view name) const noexcept {
  const auto found = std::find_if(entries_.begin(), entries_.end(),
                                  [&](const ZipEntry& entry) { return entry.name == name; });
  return found == entries_.end() ? nullptr : &*found;
}

std::vector<std::byte> ZipArchive::read(const ZipEntry& entry, int64_t cap, ZipCrc crc) const {
  const std::string where = what_ + ": entry '" + entry.name + "'";
  if (entry.size > cap) {
    fail(where,
         "has " + std::to_string(entry.size) + " bytes, expected at most " + std::to_string(cap));
  }
  const EntryFile file = open_entry(archive_.get(), entry, 0, where);
  // libzip compares the checksum on the read that meets the end: one byte more asks for it, none
  // avoids it.
  const bool unchecked = crc == ZipCrc::kIgnoreWhenStored && !entry.deflated;
  std::vector<std::byte> bytes = read_up_to(file.get(), entry.size + (unchecked ? 0 : 1), where);
  if (static_cast<int64_t>(bytes.size()) != entry.size) {
    fail(where, "holds " + std::to_string(bytes.size()) + " bytes, the directory says " +
                    std::to_string(entry.size));
  }
  return bytes;
}

std::vector<std::byte> ZipArchive::read_start(const ZipEntry& entry, int64_t count) const {
  const std::string where = what_ + ": entry '" + entry.name + "'";
  const EntryFile file = open_entry(archive_.get(), entry, 0, where);
  return read_up_to(file.get(), std::min(count, entry.size), where);
}

bool is_zip(std::span<const std::byte> bytes) noexcept {
  const std::string_view text = as_text(bytes);
  return text.starts_with("PK\x03\x04") || text.starts_with("PK\x05\x06");
}

}  // namespace spikeloom
