#pragma once
// Event numbers of spike bits by byte compression (AVX-512 VBMI2): the numbers of 64 bits are
// bytes, packed by one instruction and widened afterwards. Plain intrinsics.

#include <cstdint>

namespace spikeloom::cpu {

bool has_byte_compression() noexcept;

// Writes base + i for every set bit i of the first 64 * `words`, ascending, and whatever up to 16
// elements behind the last; returns the new end. Only where has_byte_compression().
uint32_t* append_words(const uint64_t* row, int64_t words, uint32_t base, uint32_t* to) noexcept;

}  // namespace spikeloom::cpu
