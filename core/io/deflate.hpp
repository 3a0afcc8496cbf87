#pragma once
// Compressing beside a computation: zlib streams (RFC 1950, 1951) several times as fast as zlib's
// fastest level, of data in which a byte repeats those at few known distances or not at all.
//
// Functions are thread-safe and throw only std::bad_alloc.

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

namespace spikeloom {

// Huffman codes for bytes, and matches at `distances` (each 1 to 32768; 1: runs) alone. Any zlib
// reads it.
std::vector<uint8_t> deflate_repeats(std::span<const uint8_t> bytes,
                                     std::span<const size_t> distances);

// zlib's own, level 1 to 9.
std::vector<uint8_t> deflate_zlib(std::span<const uint8_t> bytes, int level);

}  // namespace spikeloom
