#pragma once
// Spikes by token: the bits of one channel at 64 tokens are a word, so that an AND and a population
// count meet 64 pairs. This file holds what needs instructions beyond the SIMD targets of
// targets.hpp (AVX-512 with VBMI, GFNI and VPOPCNTDQ); attention.cpp has the portable forms.

#include <cstdint>

namespace spikeloom::cpu {

// Turns bit c of block[n] into bit n' of block[c], 64 x 64. n' is n in an order of the
// implementation's own: a sum over tokens may be taken in any.
using TransposeBits = void (*)(uint64_t* block);

// counts[i * stride + j] = number of bits set in both words[w * channels + i] of keys and
// words[w * channels + j] of values, over `words` of them; i in [0, rows), j in [0, stride).
// `channels` is a multiple of 64, stride one of 16 within it. Up to 3 rows of `counts` behind the
// last may be overwritten.
using CountPairs = void (*)(const uint64_t* keys, const uint64_t* values, int64_t words,
                            int64_t channels, int64_t rows, int64_t stride, float* counts);

// Whether the machine can run the two functions below.
bool has_wide_popcount() noexcept;
void transpose_bits_wide(uint64_t* block) noexcept;
void count_pairs_wide(const uint64_t* keys, const uint64_t* values, int64_t words, int64_t channels,
                      int64_t rows, int64_t stride, float* counts) noexcept;

}  // namespace spikeloom::cpu
