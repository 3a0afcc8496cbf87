#pragma once
// Bits of spike rows at any bit offset: segments of one head, and the packed rows of a trace file
// (docs/trace.md).
//
// A spike view starts each row (pixel or token) on a 64-bit word; a trace row holds neuron i =
// row*channels + channel in bit i&7 of byte i>>3, without gaps. Where channels % 8 == 0 bytes are
// copied, otherwise bits are shifted together. All functions are noexcept, allocate nothing and are
// thread-safe.

#include <cstdint>
#include <span>

#include "core/spike_tensor.hpp"

namespace spikeloom {

constexpr int64_t packed_bytes(int64_t neurons) noexcept {
  return (neurons + 7) / 8;
}

// Bits [first, first + count) of `words` in the low end of the result; 1 <= count <= 64. Reads no
// word outside.
inline uint64_t bits_at(const uint64_t* words, int64_t first, int64_t count) noexcept {
  const int64_t word = first >> 6, shift = first & 63;
  uint64_t bits = words[word] >> shift;
  if (shift + count > 64) bits |= words[word + 1] << (64 - shift);
  return count == 64 ? bits : bits & ((uint64_t{1} << count) - 1);
}

// Number of set bits in [first, first + count).
int64_t count_segment(const uint64_t* words, int64_t first, int64_t count) noexcept;

// Copies the segment to words_for(count) words of `out`, bits beyond `count` zero.
void copy_segment(const uint64_t* words, int64_t first, int64_t count, uint64_t* out) noexcept;

// out: packed_bytes(rows * channels) bytes, all of them written; pad bits zero.
void pack_bits(SpikeView spikes, std::span<uint8_t> out) noexcept;

// The inverse; `packed` as long as above. Pad bits are ignored.
void unpack_bits(std::span<const uint8_t> packed, MutableSpikeView spikes) noexcept;

// Set bits of `packed`, pad bits included.
int64_t count_packed(std::span<const uint8_t> packed) noexcept;

// Calls f(neuron) for every set bit, ascending.
template <typename F>
void for_each_packed(std::span<const uint8_t> packed, F&& f) {
  for (size_t byte = 0; byte < packed.size(); ++byte) {
    for (unsigned bits = packed[byte]; bits != 0; bits &= bits - 1) {
      f(static_cast<int64_t>(byte) * 8 + std::countr_zero(bits));
    }
  }
}

}  // namespace spikeloom
