#pragma once
// SHA-256 (FIPS 180-4) piece by piece, by the processor's own instructions where it has them.

#include <array>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string_view>

#include "core/hash.hpp"

namespace spikeloom {

// One hash after the other, whatever the sizes of the pieces. Not thread-safe.
class Sha256 {
 public:
  using State = std::array<uint32_t, 8>;
  // Takes in whole blocks of 64 bytes.
  using Blocks = void (*)(State& state, const uint8_t* bytes, size_t blocks) noexcept;

  Sha256();
  // By the given instructions: what tests compare.
  explicit Sha256(Blocks blocks);

  void add(std::span<const std::byte> bytes) noexcept;
  // Of all bytes so far; nothing may follow.
  Digest finish() noexcept;

 private:
  Blocks blocks_;
  State state_;
  std::array<uint8_t, 64> waiting_{};
  uint64_t bytes_ = 0;
};

// What specifies the others.
void sha256_blocks_scalar(Sha256::State& state, const uint8_t* bytes, size_t blocks) noexcept;

// What this machine hashes with, chosen once: "sha-ni" or "scalar".
std::string_view sha256_instructions() noexcept;

// Internal to core: nullptr where the processor has no SHA instructions.
Sha256::Blocks sha256_blocks_of_cpu() noexcept;

}  // namespace spikeloom
