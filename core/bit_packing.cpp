#include "core/bit_packing.hpp"

#include <cstring>

namespace spikeloom {

static_assert(std::endian::native == std::endian::little, "words are copied as bytes");

int64_t count_segment(const uint64_t* words, int64_t first, int64_t count) noexcept {
  int64_t sum = 0;
  for (int64_t i = 0; i < count; i += 64) {
    sum += count_bits(bits_at(words, first + i, std::min<int64_t>(64, count - i)));
  }
  return sum;
}

void copy_segment(const uint64_t* words, int64_t first, int64_t count, uint64_t* out) noexcept {
  for (int64_t i = 0; i < count; i += 64) {
    out[i >> 6] = bits_at(words, first + i, std::min<int64_t>(64, count - i));
  }
}

namespace {

// Shifts rows of any width together, 64 bits at a time.
void pack_shifted(SpikeView spikes, uint8_t* out) noexcept {
  uint64_t pending = 0;
  int64_t filled = 0;
  for (int64_t r = 0; r < spikes.rows; ++r) {
    for (int64_t c = 0; c < spikes.channels; c += 64) {
      const uint64_t bits = spikes.row(r)[c >> 6];
      const int64_t count = std::min<int64_t>(64, spikes.channels - c);
      pending |= bits << filled;
      if (filled + count < 64) {
        filled += count;
        continue;
      }
      std::memcpy(out, &pending, 8);
      out += 8;
      pending = filled == 0 ? 0 : bits >> (64 - filled);
      filled += count - 64;
    }
  }
  std::memcpy(out, &pending, static_cast<size_t>(packed_bytes(filled)));
}

}  // namespace

void pack_bits(SpikeView spikes, std::span<uint8_t> out) noexcept {
  if (spikes.channels % 8 != 0) return pack_shifted(spikes, out.data());
  const auto row_bytes = static_cast<size_t>(spikes.channels / 8);
  if (spikes.channels % 64 == 0) {
    if (!out.empty()) std::memcpy(out.data(), spikes.words, out.size());
    return;
  }
  for (int64_t r = 0; r < spikes.rows; ++r) {
    std::memcpy(out.data() + static_cast<size_t>(r) * row_bytes, spikes.row(r), row_bytes);
  }
}

void unpack_bits(std::span<const uint8_t> packed, MutableSpikeView spikes) noexcept {
  for (int64_t r = 0; r < spikes.rows; ++r) {
    for (int64_t c = 0; c < spikes.channels; c += 64) {
      const int64_t count = std::min<int64_t>(64, spikes.channels - c);
      const int64_t first = r * spikes.channels + c;
      const auto byte = static_cast<size_t>(first >> 3);
      const int64_t shift = first & 7;
      uint64_t bits = 0;
      std::memcpy(&bits, packed.data() + byte, std::min<size_t>(8, packed.size() - byte));
      bits >>= shift;
      if (shift + count > 64) bits |= uint64_t{packed[byte + 8]} << (64 - shift);
      spikes.row(r)[c >> 6] = count == 64 ? bits : bits & ((uint64_t{1} << count) - 1);
    }
  }
}

int64_t count_packed(std::span<const uint8_t> packed) noexcept {
  int64_t sum = 0;
  size_t i = 0;
  for (; i + 8 <= packed.size(); i += 8) {
    uint64_t word;
    std::memcpy(&word, packed.data() + i, 8);
    sum += count_bits(word);
  }
  for (; i < packed.size(); ++i) sum += count_bits(packed[i]);
  return sum;
}

}  // namespace spikeloom
