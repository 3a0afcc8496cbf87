#include "sim/backends/cpu/token_bits.hpp"

#include <algorithm>

#if defined(__x86_64__)
#include <immintrin.h>
#endif

namespace spikeloom::cpu {

#if defined(__x86_64__)
#define SPIKELOOM_WIDE \
  __attribute__((target("avx512f,avx512bw,avx512dq,avx512vl,avx512vbmi,avx512vpopcntdq,gfni")))

bool has_wide_popcount() noexcept {
  return __builtin_cpu_supports("avx512bw") && __builtin_cpu_supports("avx512dq") &&
         __builtin_cpu_supports("avx512vl") && __builtin_cpu_supports("avx512vbmi") &&
         __builtin_cpu_supports("avx512vpopcntdq") && __builtin_cpu_supports("gfni");
}

namespace {

// Operators of the compiler instead of intrinsics, whose undefined operands GCC 12 warns of.
using Bytes = char __attribute__((vector_size(64)));
using Halves = int16_t __attribute__((vector_size(64)));
using Lanes = uint32_t __attribute__((vector_size(64)));
using Words = uint64_t __attribute__((vector_size(64)));

// The bits of 64 channels at 8 tokens: byte 16 l + 4 q + m holds those of channel 16 q + 4 l + m.
// Lanes (tokens) change places with bytes, bytes with bits (a byte of an affine product is a column
// of the matrix); then groups of four channels are laid out for the words made of them.
SPIKELOOM_WIDE inline Words eight_tokens(const uint64_t* bits, int64_t row_words, int64_t tokens) {
  constexpr Words kSwapLanesAndBytes = {0x3830282018100800, 0x3931292119110901, 0x3a322a221a120a02,
                                        0x3b332b231b130b03, 0x3c342c241c140c04, 0x3d352d251d150d05,
                                        0x3e362e261e160e06, 0x3f372f271f170f07};
  constexpr Lanes kGroups = {0, 4, 8, 12, 1, 5, 9, 13, 2, 6, 10, 14, 3, 7, 11, 15};
  constexpr uint64_t kColumns = 0x8040201008040201;
  Words x = {};
  if (tokens >= 8) {
    x = Words{bits[0],
              bits[row_words],
              bits[2 * row_words],
              bits[3 * row_words],
              bits[4 * row_words],
              bits[5 * row_words],
              bits[6 * row_words],
              bits[7 * row_words]};
  } else {
    for (int64_t n = 0; n < tokens; ++n) x[n] = bits[n * row_words];
  }
  const auto bytes = _mm512_maskz_permutexvar_epi8(
      ~__mmask64{0}, reinterpret_cast<__m512i>(kSwapLanesAndBytes), reinterpret_cast<__m512i>(x));
  const auto channels =
      _mm512_gf2p8affine_epi64_epi8(_mm512_set1_epi64(static_cast<int64_t>(kColumns)), bytes, 0);
  return reinterpret_cast<Words>(_mm512_maskz_permutexvar_epi32(
      __mmask16{0xffff}, reinterpret_cast<__m512i>(kGroups), channels));
}

SPIKELOOM_WIDE inline __m512i raw(Words x) {
  return reinterpret_cast<__m512i>(x);
}

// kRows rows of counts from channel i of keys on, 16 columns from channel j of values on, those of
// `valid`.
template <int kRows>
SPIKELOOM_WIDE inline void count_rows(const TokenPair& pair, int64_t i, int64_t j, __mmask16 valid,
                                      int64_t stride, float* counts) {
  const auto* key = reinterpret_cast<const uint32_t*>(pair.keys) + i;
  const auto* value = reinterpret_cast<const uint32_t*>(pair.values) + j;
  Lanes sums[kRows] = {};
  for (int64_t n = 0; n < pair.tokens; n += 32, key += pair.channels, value += pair.channels) {
    const auto set = reinterpret_cast<Lanes>(_mm512_loadu_si512(value));
#pragma GCC unroll 8
    for (int r = 0; r < kRows; ++r) {
      sums[r] +=
          reinterpret_cast<Lanes>(_mm512_popcnt_epi32(reinterpret_cast<__m512i>(set & key[r])));
    }
  }
#pragma GCC unroll 8
  for (int r = 0; r < kRows; ++r) {
    _mm512_storeu_ps(counts + r * stride,
                     _mm512_maskz_cvtepi32_ps(valid, reinterpret_cast<__m512i>(sums[r])));
  }
}

}  // namespace

// Word w of channel c is 32-bit number w * channels + c.
SPIKELOOM_WIDE void by_token_wide(const uint64_t* bits, int64_t row_words, int64_t tokens,
                                  int64_t words, uint64_t* to) noexcept {
  for (int64_t n = 0; n < tokens; n += 32, bits += 32 * row_words) {
    for (int64_t w = 0; w < words; ++w, to += 32) {
      Words x[4];
#pragma GCC unroll 4
      for (int e = 0; e < 4; ++e)
        x[e] = eight_tokens(bits + w + 8 * e * row_words, row_words, tokens - n - 8 * e);
      const __m512i low = _mm512_unpacklo_epi8(raw(x[0]), raw(x[1])),
                    high = _mm512_unpackhi_epi8(raw(x[0]), raw(x[1])),
                    low2 = _mm512_unpacklo_epi8(raw(x[2]), raw(x[3])),
                    high2 = _mm512_unpackhi_epi8(raw(x[2]), raw(x[3]));
      _mm512_storeu_si512(to, _mm512_unpacklo_epi16(low, low2));
      _mm512_storeu_si512(to + 8, _mm512_unpackhi_epi16(low, low2));
      _mm512_storeu_si512(to + 16, _mm512_unpacklo_epi16(high, high2));
      _mm512_storeu_si512(to + 24, _mm512_unpackhi_epi16(high, high2));
    }
  }
}

SPIKELOOM_WIDE void count_pairs_wide(const TokenPair& pair, int64_t first, int64_t d,
                                     float* counts) noexcept {
  const int64_t stride = (d + 15) / 16 * 16;
  for (int64_t j = 0; j < d; j += 16) {
    const auto valid = static_cast<__mmask16>(0xffff >> std::max<int64_t>(0, j + 16 - d));
    for (int64_t i = 0; i < d; i += 8) {
      const int64_t row = std::min(i, d - 8);  // the last eight may be counted twice
      if (row >= 0) {
        count_rows<8>(pair, first + row, first + j, valid, stride, counts + row * stride + j);
        continue;
      }
      for (int64_t r = 0; r < d; ++r)
        count_rows<1>(pair, first + r, first + j, valid, stride, counts + r * stride + j);
    }
  }
}

#else

bool has_wide_popcount() noexcept {
  return false;
}
void by_token_wide(const uint64_t*, int64_t, int64_t, int64_t, uint64_t*) noexcept {}
void count_pairs_wide(const TokenPair&, int64_t, int64_t, float*) noexcept {}

#endif

}  // namespace spikeloom::cpu
