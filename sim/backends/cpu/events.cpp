#include "sim/backends/cpu/events.hpp"

#include <bit>

#if defined(__x86_64__)
#include <immintrin.h>

// gcc 12 takes the "undefined" operand inside its own intrinsics for a mistake (its bug 105593).
#ifndef __clang__
#pragma GCC diagnostic ignored "-Wuninitialized"
#pragma GCC diagnostic ignored "-Wmaybe-uninitialized"
#endif
#endif

namespace spikeloom::cpu {

#if defined(__x86_64__)

bool has_byte_compression() noexcept {
  return __builtin_cpu_supports("avx512bw") && __builtin_cpu_supports("avx512vbmi2");
}

__attribute__((target("avx512f,avx512bw,avx512vbmi2"))) uint32_t* append_words(
    const uint64_t* row, int64_t words, uint32_t base, uint32_t* to) noexcept {
  const __m512i bytes = _mm512_set_epi64(0x3f3e3d3c3b3a3938, 0x3736353433323130, 0x2f2e2d2c2b2a2928,
                                         0x2726252423222120, 0x1f1e1d1c1b1a1918, 0x1716151413121110,
                                         0x0f0e0d0c0b0a0908, 0x0706050403020100);
  for (int64_t w = 0; w < words; ++w, base += 64) {
    const uint64_t bits = row[w];
    const __m512i packed = _mm512_maskz_compress_epi8(bits, bytes),
                  first = _mm512_set1_epi32(static_cast<int>(base));
    const int count = std::popcount(bits);
    const auto store = [&](int at, __m128i sixteen)
        __attribute__((target("avx512f,avx512bw,avx512vbmi2"))) {
      _mm512_storeu_si512(to + at, _mm512_add_epi32(first, _mm512_cvtepu8_epi32(sixteen)));
    };
    store(0, _mm512_castsi512_si128(packed));
    if (count > 16) [[unlikely]] {
      store(16, _mm512_extracti32x4_epi32(packed, 1));
      if (count > 32) store(32, _mm512_extracti32x4_epi32(packed, 2));
      if (count > 48) store(48, _mm512_extracti32x4_epi32(packed, 3));
    }
    to += count;
  }
  return to;
}

#else

bool has_byte_compression() noexcept {
  return false;
}
uint32_t* append_words(const uint64_t*, int64_t, uint32_t, uint32_t* to) noexcept {
  return to;
}

#endif

}  // namespace spikeloom::cpu
