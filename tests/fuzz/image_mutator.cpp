// Sets the checksums of PNG chunks right after each mutation; without it next to none gets past
// them.

#include <zlib.h>

#include <cstddef>
#include <cstdint>
#include <cstring>

extern "C" size_t LLVMFuzzerMutate(uint8_t* data, size_t size, size_t max_size);

namespace {

uint32_t load_be(const uint8_t* at) {
  return uint32_t{at[0]} << 24 | uint32_t{at[1]} << 16 | uint32_t{at[2]} << 8 | at[3];
}

void store_be(uint8_t* at, uint32_t value) {
  for (int i = 0; i < 4; ++i) at[i] = static_cast<uint8_t>(value >> (24 - 8 * i));
}

}  // namespace

// NOLINTNEXTLINE(readability-identifier-naming): libFuzzer's name
extern "C" size_t LLVMFuzzerCustomMutator(uint8_t* data, size_t size, size_t max_size, unsigned) {
  size = LLVMFuzzerMutate(data, size, max_size);
  if (size < 8 || std::memcmp(data, "\x89PNG", 4) != 0) return size;
  for (size_t at = 8; size - at >= 12;) {
    const uint32_t length = load_be(data + at);
    if (length > size - at - 12) break;
    store_be(data + at + 8 + length, static_cast<uint32_t>(crc32(0, data + at + 4, length + 4)));
    at += 12 + length;
  }
  return size;
}
