#include "core/hash.hpp"

#include <array>
#include <bit>
#include <cstring>

namespace spikeloom {
namespace {

void compress(std::array<uint32_t, 5>& state, const uint8_t* block) {
  std::array<uint32_t, 80> w{};
  for (size_t i = 0; i < 64; ++i) w[i / 4] = w[i / 4] << 8 | block[i];
  for (size_t i = 16; i < 80; ++i) w[i] = std::rotl(w[i - 3] ^ w[i - 8] ^ w[i - 14] ^ w[i - 16], 1);
  auto [a, b, c, d, e] = state;
  for (size_t i = 0; i < 80; ++i) {
    const uint32_t f = i < 20   ? ((b & c) ^ (~b & d)) + 0x5a827999
                       : i < 40 ? (b ^ c ^ d) + 0x6ed9eba1
                       : i < 60 ? ((b & c) ^ (b & d) ^ (c & d)) + 0x8f1bbcdc
                                : (b ^ c ^ d) + 0xca62c1d6;
    const uint32_t next = std::rotl(a, 5) + f + e + w[i];
    e = d, d = c, c = std::rotl(b, 30), b = a, a = next;
  }
  const std::array<uint32_t, 5> add = {a, b, c, d, e};
  for (size_t i = 0; i < 5; ++i) state[i] += add[i];
}

std::array<uint32_t, 5> sha1(std::span<const std::byte> bytes) {
  std::array<uint32_t, 5> state = {0x67452301, 0xefcdab89, 0x98badcfe, 0x10325476, 0xc3d2e1f0};
  const auto* data = reinterpret_cast<const uint8_t*>(bytes.data());
  const size_t whole = bytes.size() / 64;
  for (size_t i = 0; i < whole; ++i) compress(state, data + 64 * i);

  // A one bit, zeros, the length in bits.
  std::array<uint8_t, 128> tail{};
  const size_t rest = bytes.size() - 64 * whole;
  if (rest > 0) std::memcpy(tail.data(), data + 64 * whole, rest);
  tail[rest] = 0x80;
  const size_t tail_size = rest < 56 ? 64 : 128;
  const uint64_t bits = static_cast<uint64_t>(bytes.size()) * 8;
  for (size_t i = 0; i < 8; ++i) tail[tail_size - 1 - i] = static_cast<uint8_t>(bits >> (8 * i));
  for (size_t i = 0; i < tail_size; i += 64) compress(state, tail.data() + i);
  return state;
}

}  // namespace

std::string hex(const Digest& digest) {
  std::string text;
  for (const uint8_t byte : digest) text += hex64(byte).substr(14);
  return text;
}

std::string sha256_hex(std::span<const std::byte> bytes) {
  return hex(sha256(bytes));
}

std::string sha1_hex(std::string_view text) {
  std::string hex;
  for (const uint32_t word : sha1(std::as_bytes(std::span(text.data(), text.size()))))
    hex += hex64(word).substr(8);
  return hex;
}

std::string sha256_hex(std::string_view text) {
  return sha256_hex(std::as_bytes(std::span(text.data(), text.size())));
}

std::string hex64(uint64_t value) {
  constexpr char kDigits[] = "0123456789abcdef";
  std::string text(16, '0');
  for (size_t i = 0; i < 16; ++i) text[15 - i] = kDigits[(value >> (4 * i)) & 15];
  return text;
}

}  // namespace spikeloom
