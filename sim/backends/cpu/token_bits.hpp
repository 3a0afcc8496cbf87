#pragma once
// Spikes by token: the bits of one channel at 32 or 64 tokens are a word, so that an AND and a
// population count meet as many pairs. This file holds what needs instructions beyond the SIMD
// targets of targets.hpp (AVX-512 with VBMI, GFNI and VPOPCNTDQ); attention.cpp has the portable
// forms. Both forms agree on nothing but these interfaces: order of tokens and size of words are
// their own.

#include <cstdint>

namespace spikeloom::cpu {

// Room for the tokens of 64 * words channels, 64-bit words, with what count_pairs() may read behind
// them.
constexpr int64_t token_words(int64_t tokens, int64_t words) noexcept {
  return (tokens + 63) / 64 * 64 * words + 16;
}

// Writes 64 * words channels by token; token n's words stand at bits[n * row_words].
using ByToken = void (*)(const uint64_t* bits, int64_t row_words, int64_t tokens, int64_t words,
                         uint64_t* to);

// Two operands by token, of `channels` (64 * words) channels.
struct TokenPair {
  const uint64_t *keys, *values;
  int64_t tokens, channels;
};

// counts[i * stride + j] = number of tokens that have channel first + i of keys and first + j of
// values; i, j in [0, d). Zeros for j in [d, stride), stride = d rounded up to a multiple of 16.
using CountPairs = void (*)(const TokenPair& pair, int64_t first, int64_t d, float* counts);

// Whether the machine can run the two functions below.
bool has_wide_popcount() noexcept;
void by_token_wide(const uint64_t* bits, int64_t row_words, int64_t tokens, int64_t words,
                   uint64_t* to) noexcept;
void count_pairs_wide(const TokenPair& pair, int64_t first, int64_t d, float* counts) noexcept;

}  // namespace spikeloom::cpu
