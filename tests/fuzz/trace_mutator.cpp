// Mutations of traces that HDF5 does not refuse at once: the checksums of superblock, object
// headers and their continuations are made right again, most of the time. Only for libFuzzer.

#include <algorithm>
#include <bit>
#include <cstdint>
#include <cstring>
#include <span>

extern "C" size_t LLVMFuzzerMutate(uint8_t* data, size_t size, size_t capacity);
extern "C" size_t LLVMFuzzerCustomMutator(uint8_t* data, size_t size, size_t capacity,
                                          unsigned seed);

namespace {

using Bytes = std::span<uint8_t>;

template <typename T>
T load(Bytes bytes, size_t at) {
  T value{};
  std::memcpy(&value, bytes.data() + at, sizeof(T));
  return value;
}

// Bob Jenkins' lookup3 (hashlittle, public domain) with initial value 0, HDF5's checksum.
uint32_t lookup3(Bytes bytes) {
  uint32_t a = 0xdeadbeef + static_cast<uint32_t>(bytes.size()), b = a, c = a;
  const auto word = [&](size_t at) {
    uint32_t value = 0;
    if (at < bytes.size()) {
      std::memcpy(&value, bytes.data() + at, std::min<size_t>(4, bytes.size() - at));
    }
    return value;
  };
  size_t at = 0;
  for (; bytes.size() - at > 12; at += 12) {
    a += word(at), b += word(at + 4), c += word(at + 8);
    a -= c, a ^= std::rotl(c, 4), c += b;
    b -= a, b ^= std::rotl(a, 6), a += c;
    c -= b, c ^= std::rotl(b, 8), b += a;
    a -= c, a ^= std::rotl(c, 16), c += b;
    b -= a, b ^= std::rotl(a, 19), a += c;
    c -= b, c ^= std::rotl(b, 4), b += a;
  }
  if (at == bytes.size()) return c;
  a += word(at), b += word(at + 4), c += word(at + 8);
  c ^= b, c -= std::rotl(b, 14);
  a ^= c, a -= std::rotl(c, 11);
  b ^= a, b -= std::rotl(a, 25);
  c ^= b, c -= std::rotl(b, 16);
  a ^= c, a -= std::rotl(c, 4);
  b ^= a, b -= std::rotl(a, 14);
  c ^= b, c -= std::rotl(b, 24);
  return c;
}

// The last four of `length` bytes become the checksum of those before them.
void seal(Bytes bytes, size_t at, uint64_t length) {
  if (length < 8 || at > bytes.size() || length > bytes.size() - at) return;
  const uint32_t sum = lookup3(bytes.subspan(at, length - 4));
  std::memcpy(bytes.data() + at + length - 4, &sum, 4);
}

// Seals the continuations of the messages in [begin, end) and those of theirs.
void seal_continuations(Bytes bytes, size_t begin, size_t end, size_t prefix, int depth) {
  constexpr int kDeepest = 8;
  for (size_t at = begin; end - at >= prefix && depth < kDeepest;) {
    const auto size = load<uint16_t>(bytes, at + 1);
    if (size > end - at - prefix) return;
    if (bytes[at] == 0x10 && size >= 16) {
      const auto address = load<uint64_t>(bytes, at + prefix);
      const auto length = load<uint64_t>(bytes, at + prefix + 8);
      if (address <= bytes.size() && length <= bytes.size() - address && length >= 8) {
        seal_continuations(bytes, address + 4, address + length - 4, prefix, depth + 1);
        seal(bytes, address, length);
      }
    }
    at += prefix + size;
  }
}

void seal_header(Bytes bytes, size_t at) {
  if (bytes.size() - at < 34) return;
  const uint8_t flags = bytes[at + 5];
  const size_t width = size_t{1} << (flags & 3);
  const size_t field = at + 6 + ((flags & 0x20) != 0 ? 16 : 0) + ((flags & 0x10) != 0 ? 4 : 0);
  uint64_t length = 0;
  std::memcpy(&length, bytes.data() + field, width);
  const size_t first = field + width;
  if (first > bytes.size() || length > bytes.size() - first) return;
  const size_t prefix = (flags & 0x04) != 0 ? 6 : 4, end = first + length;
  seal_continuations(bytes, first, end, prefix, 0);
  seal(bytes, at, end + 4 - at);
}

}  // namespace

size_t LLVMFuzzerCustomMutator(uint8_t* data, size_t size, size_t capacity, unsigned seed) {
  size = LLVMFuzzerMutate(data, size, capacity);
  if (seed % 16 == 0) return size;
  const Bytes bytes(data, size);
  seal(bytes, 0, 48);
  for (size_t at = 0; at + 4 <= size; ++at) {
    if (std::memcmp(data + at, "OHDR", 4) == 0) seal_header(bytes, at);
  }
  return size;
}
