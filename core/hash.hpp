#pragma once
// Content hashes: FNV-1a (run signature, docs/trace.md) and SHA-256 (provenance).

#include <array>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>

namespace spikeloom {

constexpr uint64_t kFnvStart = 0xcbf29ce484222325ull;

constexpr uint64_t fnv1a(std::span<const uint8_t> bytes, uint64_t hash = kFnvStart) noexcept {
  for (const uint8_t byte : bytes) hash = (hash ^ byte) * 0x100000001b3ull;
  return hash;
}

using Digest = std::array<uint8_t, 32>;

Digest sha256(std::span<const std::byte> bytes);
// 64 lower-case hex digits.
std::string hex(const Digest& digest);
// Lower-case hex of the SHA-256 of the bytes.
std::string sha256_hex(std::span<const std::byte> bytes);
std::string sha256_hex(std::string_view text);

// Lower-case hex of the SHA-1 of the text: for data sets that split by it, not for security.
std::string sha1_hex(std::string_view text);

// 16 lower-case hex digits.
std::string hex64(uint64_t value);

}  // namespace spikeloom
