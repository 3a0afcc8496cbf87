#include "core/io/npz_writer.hpp"

#include <zlib.h>

#include <cstring>

#include "core/error.hpp"
#include "core/io/bytes.hpp"
#include "core/io/file.hpp"
#include "core/io/npy.hpp"

namespace spikeloom {
namespace {

constexpr uint64_t kMostBytes = 0xffffffff;

uint32_t crc_of(uint32_t crc, std::span<const std::byte> bytes) {
  constexpr size_t kPart = 1 << 30;
  for (; !bytes.empty(); bytes = bytes.subspan(std::min(kPart, bytes.size()))) {
    const auto part = bytes.first(std::min(kPart, bytes.size()));
    crc = static_cast<uint32_t>(
        crc32(crc, reinterpret_cast<const Bytef*>(part.data()), static_cast<uInt>(part.size())));
  }
  return crc;
}

struct Entry {
  std::string name;
  uint32_t crc = 0;
  uint64_t size = 0, at = 0;
};

// Fields of a zip record, little-endian.
class Record {
 public:
  Record& u16(uint64_t value) { return put(value, 2); }
  Record& u32(uint64_t value) { return put(value, 4); }
  const std::string& bytes() const { return bytes_; }

 private:
  Record& put(uint64_t value, int count) {
    for (int i = 0; i < count; ++i) bytes_ += static_cast<char>(value >> (8 * i) & 0xff);
    return *this;
  }
  std::string bytes_;
};

constexpr uint64_t kVersion = 20, kFirstDay = 0x21;  // 1980-01-01: the same arrays, the same bytes

// What the local and the central record share, from the version needed on.
void add_common(Record& record, const Entry& entry) {
  record.u16(kVersion).u16(0).u16(0).u16(0).u16(kFirstDay);
  record.u32(entry.crc).u32(entry.size).u32(entry.size);
  record.u16(entry.name.size()).u16(0);
}

}  // namespace

void save_npz(const std::filesystem::path& path, const std::vector<NpzArray>& arrays) {
  OutputFile file(path);
  std::vector<Entry> entries;
  const auto check_room = [&](uint64_t more) {
    if (static_cast<uint64_t>(file.size()) + more > kMostBytes)
      throw Error(ErrorCode::kCapacity, path.string() + ": an archive of 4 GiB or more");
  };
  for (const NpzArray& array : arrays) {
    const std::string header = npy_header(array.descr, array.shape);
    Entry entry{array.name + ".npy", 0, header.size() + array.bytes.size(),
                static_cast<uint64_t>(file.size())};
    entry.crc = crc_of(crc_of(0, as_bytes_of(header)), array.bytes);
    check_room(entry.size + 1024);
    Record local;
    local.u32(0x04034b50);
    add_common(local, entry);
    file.write(local.bytes());
    file.write(entry.name);
    file.write(header);
    file.write(array.bytes);
    entries.push_back(std::move(entry));
  }
  const auto start = static_cast<uint64_t>(file.size());
  for (const Entry& entry : entries) {
    Record central;
    central.u32(0x02014b50).u16(kVersion);
    add_common(central, entry);
    central.u16(0).u16(0).u16(0).u32(0).u32(entry.at);
    check_room(central.bytes().size() + entry.name.size() + 64);
    file.write(central.bytes());
    file.write(entry.name);
  }
  const uint64_t size = static_cast<uint64_t>(file.size()) - start;
  Record end;
  end.u32(0x06054b50).u16(0).u16(0).u16(entries.size()).u16(entries.size());
  end.u32(size).u32(start).u16(0);
  file.write(end.bytes());
  file.commit();
}

}  // namespace spikeloom
