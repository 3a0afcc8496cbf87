#pragma once
// Lengths of Huffman codes with a longest one, and the codes of deflate (RFC 1951, 3.2.2).
// Internal to core/io.

#include <cstdint>
#include <span>

namespace spikeloom {

struct HuffmanCode {
  uint16_t bits = 0;  // the first bit lowest, as deflate writes them
  uint8_t length = 0;
};

// A code for every symbol that occurs, at most `longest` (<= 15) bits each; others get length 0.
// At most 320 symbols, of which no more than 2^longest occur. A single one gets one bit.
void make_codes(std::span<const uint32_t> counts, int longest, std::span<HuffmanCode> codes);

}  // namespace spikeloom
