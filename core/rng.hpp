#pragma once
// Counter-based random numbers: a pure function of (seed, stream, index), so that no order of
// evaluation and no number of threads can change them. Mixing: the finaliser of SplitMix64 (Steele,
// Lea, Flood, OOPSLA 2014) applied to each word in turn.

#include <cstdint>

namespace spikeloom {

constexpr uint64_t mix64(uint64_t z) noexcept {
  z += 0x9e3779b97f4a7c15ull;
  z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9ull;
  z = (z ^ (z >> 27)) * 0x94d049bb133111ebull;
  return z ^ (z >> 31);
}

constexpr uint64_t random_bits(uint64_t seed, uint64_t stream, uint64_t index) noexcept {
  return mix64(mix64(mix64(seed) ^ stream) ^ index);
}

// Uniform in [0, 1), a multiple of 2^-24.
constexpr float random_uniform(uint64_t seed, uint64_t stream, uint64_t index) noexcept {
  return static_cast<float>(random_bits(seed, stream, index) >> 40) * 0x1p-24f;
}

}  // namespace spikeloom
