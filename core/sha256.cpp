#include "core/sha256.hpp"

#include <algorithm>
#include <bit>
#include <cstring>

#include "core/sha256_rounds.hpp"

namespace spikeloom {
namespace {

Sha256::Blocks chosen() noexcept {
  static const Sha256::Blocks blocks = [] {
    const Sha256::Blocks own = sha256_blocks_of_cpu();
    return own != nullptr ? own : sha256_blocks_scalar;
  }();
  return blocks;
}

uint32_t big_endian(const uint8_t* bytes) noexcept {
  return static_cast<uint32_t>(bytes[0]) << 24 | static_cast<uint32_t>(bytes[1]) << 16 |
         static_cast<uint32_t>(bytes[2]) << 8 | bytes[3];
}

void compress(Sha256::State& state, const uint8_t* block) noexcept {
  std::array<uint32_t, 64> w{};
  for (size_t i = 0; i < 16; ++i) w[i] = big_endian(block + 4 * i);
  for (size_t i = 16; i < 64; ++i) {
    const uint32_t s0 = std::rotr(w[i - 15], 7) ^ std::rotr(w[i - 15], 18) ^ (w[i - 15] >> 3);
    const uint32_t s1 = std::rotr(w[i - 2], 17) ^ std::rotr(w[i - 2], 19) ^ (w[i - 2] >> 10);
    w[i] = w[i - 16] + s0 + w[i - 7] + s1;
  }
  auto [a, b, c, d, e, f, g, h] = state;
  for (size_t i = 0; i < 64; ++i) {
    const uint32_t s1 = std::rotr(e, 6) ^ std::rotr(e, 11) ^ std::rotr(e, 25);
    const uint32_t t1 = h + s1 + ((e & f) ^ (~e & g)) + kSha256Rounds[i] + w[i];
    const uint32_t s0 = std::rotr(a, 2) ^ std::rotr(a, 13) ^ std::rotr(a, 22);
    const uint32_t t2 = s0 + ((a & b) ^ (a & c) ^ (b & c));
    h = g, g = f, f = e, e = d + t1, d = c, c = b, b = a, a = t1 + t2;
  }
  const Sha256::State add = {a, b, c, d, e, f, g, h};
  for (size_t i = 0; i < 8; ++i) state[i] += add[i];
}

}  // namespace

void sha256_blocks_scalar(Sha256::State& state, const uint8_t* bytes, size_t blocks) noexcept {
  for (size_t i = 0; i < blocks; ++i) compress(state, bytes + 64 * i);
}

std::string_view sha256_instructions() noexcept {
  return chosen() == sha256_blocks_scalar ? "scalar" : "sha-ni";
}

Sha256::Sha256() : Sha256(chosen()) {}

Sha256::Sha256(Blocks blocks)
    : blocks_(blocks), state_{0x6a09e667, 0xbb67ae85, 0x3c6ef372, 0xa54ff53a,
                              0x510e527f, 0x9b05688c, 0x1f83d9ab, 0x5be0cd19} {}

void Sha256::add(std::span<const std::byte> bytes) noexcept {
  if (bytes.empty()) return;
  const auto* from = reinterpret_cast<const uint8_t*>(bytes.data());
  size_t left = bytes.size();
  const auto waiting = static_cast<size_t>(bytes_ % 64);
  bytes_ += left;
  if (waiting > 0) {
    const size_t part = std::min(64 - waiting, left);
    std::memcpy(waiting_.data() + waiting, from, part);
    from += part, left -= part;
    if (waiting + part < 64) return;
    blocks_(state_, waiting_.data(), 1);
  }
  blocks_(state_, from, left / 64);
  std::memcpy(waiting_.data(), from + left / 64 * 64, left % 64);
}

Digest Sha256::finish() noexcept {
  // A one bit, zeros, the length in bits.
  std::array<uint8_t, 128> tail{};
  const auto rest = static_cast<size_t>(bytes_ % 64);
  std::memcpy(tail.data(), waiting_.data(), rest);
  tail[rest] = 0x80;
  const size_t size = rest < 56 ? 64 : 128;
  for (size_t i = 0; i < 8; ++i) tail[size - 1 - i] = static_cast<uint8_t>(bytes_ * 8 >> (8 * i));
  blocks_(state_, tail.data(), size / 64);
  Digest result;
  for (size_t i = 0; i < result.size(); ++i)
    result[i] = static_cast<uint8_t>(state_[i / 4] >> (24 - 8 * (i % 4)));
  return result;
}

Digest sha256(std::span<const std::byte> bytes) {
  Sha256 hash;
  hash.add(bytes);
  return hash.finish();
}

}  // namespace spikeloom
