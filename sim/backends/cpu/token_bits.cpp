#include "sim/backends/cpu/token_bits.hpp"

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

// Eight words; operators of the compiler instead of intrinsics, whose undefined operands GCC 12
// warns of.
using Words = uint64_t __attribute__((vector_size(64)));

SPIKELOOM_WIDE inline Words load(const uint64_t* from) {
  return reinterpret_cast<Words>(_mm512_loadu_si512(from));
}

SPIKELOOM_WIDE inline Words permute_bytes(Words x, Words order) {
  return reinterpret_cast<Words>(_mm512_maskz_permutexvar_epi8(
      ~__mmask64{0}, reinterpret_cast<__m512i>(order), reinterpret_cast<__m512i>(x)));
}

// Exchanges the bits of `a` that `mask << shift` names with the bits `mask` of `b`.
template <int shift>
SPIKELOOM_WIDE inline void exchange(Words& a, Words& b, uint64_t mask) {
  const Words differ = ((a >> shift) ^ b) & mask;
  b ^= differ;
  a ^= differ << shift;
}

}  // namespace

// Vector b, lane a is a token, its bits (byte k, bit i) are channel 8 k + i. First vectors change
// places with bytes; then, in each vector, lanes with bytes, bytes with bits (a byte of an affine
// product is a column of the matrix), and bytes with lanes.
SPIKELOOM_WIDE void transpose_bits_wide(uint64_t* block) noexcept {
  constexpr Words kSwapLanesAndBytes = {0x3830282018100800, 0x3931292119110901, 0x3a322a221a120a02,
                                        0x3b332b231b130b03, 0x3c342c241c140c04, 0x3d352d251d150d05,
                                        0x3e362e261e160e06, 0x3f372f271f170f07};
  constexpr uint64_t kColumns = 0x8040201008040201;
  Words x[8];
  for (int b = 0; b < 8; ++b) x[b] = load(block + 8 * b);
  for (int b = 0; b < 4; ++b) exchange<32>(x[b], x[b + 4], 0x00000000ffffffff);
  for (int b = 0; b < 8; b += b % 2 == 0 ? 1 : 3) exchange<16>(x[b], x[b + 2], 0x0000ffff0000ffff);
  for (int b = 0; b < 8; b += 2) exchange<8>(x[b], x[b + 1], 0x00ff00ff00ff00ff);
  for (int b = 0; b < 8; ++b) {
    const Words bytes = permute_bytes(x[b], kSwapLanesAndBytes);
    const auto bits = _mm512_gf2p8affine_epi64_epi8(
        _mm512_set1_epi64(static_cast<int64_t>(kColumns)), reinterpret_cast<__m512i>(bytes), 0);
    _mm512_storeu_si512(block + 8 * b, reinterpret_cast<__m512i>(permute_bytes(
                                           reinterpret_cast<Words>(bits), kSwapLanesAndBytes)));
  }
}

SPIKELOOM_WIDE void count_pairs_wide(const uint64_t* keys, const uint64_t* values, int64_t words,
                                     int64_t channels, int64_t rows, int64_t stride,
                                     float* counts) noexcept {
  for (int64_t j = 0; j < stride; j += 8) {
    for (int64_t i = 0; i < rows; i += 4) {
      Words sums[4] = {};
      for (int64_t w = 0; w < words; ++w) {
        const uint64_t* key = keys + w * channels + i;
        const Words value = load(values + w * channels + j);
#pragma GCC unroll 4
        for (int r = 0; r < 4; ++r) {
          sums[r] += reinterpret_cast<Words>(
              _mm512_popcnt_epi64(reinterpret_cast<__m512i>(value & key[r])));
        }
      }
#pragma GCC unroll 4
      for (int r = 0; r < 4; ++r) {
        _mm256_storeu_ps(counts + (i + r) * stride + j,
                         _mm512_maskz_cvtepi64_ps(0xff, reinterpret_cast<__m512i>(sums[r])));
      }
    }
  }
}

#else

bool has_wide_popcount() noexcept {
  return false;
}
void transpose_bits_wide(uint64_t*) noexcept {}
void count_pairs_wide(const uint64_t*, const uint64_t*, int64_t, int64_t, int64_t, int64_t,
                      float*) noexcept {}

#endif

}  // namespace spikeloom::cpu
