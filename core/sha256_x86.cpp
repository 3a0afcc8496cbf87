// SHA-256 by the SHA extensions of x86-64 (Intel SDM, SHA256RNDS2, SHA256MSG1, SHA256MSG2).

#include "core/sha256.hpp"
#include "core/sha256_rounds.hpp"

#if defined(__x86_64__)

#include <cpuid.h>
#include <immintrin.h>

namespace spikeloom {
namespace {

// The state in two registers as SHA256RNDS2 wants it: a, b, e, f and c, d, g, h, the first on top.
struct Lanes {
  __m128i abef, cdgh;
};

// Four rounds with four words of the schedule.
__attribute__((target("sha,sse4.1"))) inline void four_rounds(Lanes& lanes, __m128i words,
                                                              size_t group) noexcept {
  const auto* constants = reinterpret_cast<const __m128i*>(kSha256Rounds.data());
  const __m128i sum = _mm_add_epi32(words, _mm_load_si128(constants + group));
  lanes.cdgh = _mm_sha256rnds2_epu32(lanes.cdgh, lanes.abef, sum);
  lanes.abef = _mm_sha256rnds2_epu32(lanes.abef, lanes.cdgh, _mm_shuffle_epi32(sum, 0x0e));
}

__attribute__((target("sha,sse4.1"))) void blocks_x86(Sha256::State& state, const uint8_t* bytes,
                                                      size_t blocks) noexcept {
  const __m128i big_endian = _mm_set_epi64x(0x0c0d0e0f08090a0b, 0x0405060700010203);
  const auto word = [&](size_t i) { return static_cast<int>(state[i]); };
  Lanes lanes{_mm_set_epi32(word(0), word(1), word(4), word(5)),
              _mm_set_epi32(word(2), word(3), word(6), word(7))};
  for (; blocks > 0; --blocks, bytes += 64) {
    const Lanes before = lanes;
    __m128i w[4];  // the last 16 words of the schedule
    for (size_t i = 0; i < 4; ++i) {
      const __m128i raw = _mm_loadu_si128(reinterpret_cast<const __m128i*>(bytes) + i);
      w[i] = _mm_shuffle_epi8(raw, big_endian);
      four_rounds(lanes, w[i], i);
    }
#pragma GCC unroll 12
    for (size_t i = 4; i < 16; ++i) {
      const __m128i first = w[i % 4], second = w[(i + 1) % 4], last = w[(i + 3) % 4];
      const __m128i sum = _mm_add_epi32(_mm_sha256msg1_epu32(first, second),
                                        _mm_alignr_epi8(last, w[(i + 2) % 4], 4));
      w[i % 4] = _mm_sha256msg2_epu32(sum, last);
      four_rounds(lanes, w[i % 4], i);
    }
    lanes.abef = _mm_add_epi32(lanes.abef, before.abef);
    lanes.cdgh = _mm_add_epi32(lanes.cdgh, before.cdgh);
  }
  alignas(16) uint32_t abef[4], cdgh[4];
  _mm_store_si128(reinterpret_cast<__m128i*>(abef), lanes.abef);
  _mm_store_si128(reinterpret_cast<__m128i*>(cdgh), lanes.cdgh);
  state = {abef[3], abef[2], cdgh[3], cdgh[2], abef[1], abef[0], cdgh[1], cdgh[0]};
}

// SHA extensions, and SSE4.1 and SSSE3, which no processor with them lacks.
bool has_sha() noexcept {
  unsigned a = 0, b = 0, c = 0, d = 0;
  if (__get_cpuid_count(7, 0, &a, &b, &c, &d) == 0 || (b >> 29 & 1) == 0) return false;
  return __get_cpuid(1, &a, &b, &c, &d) != 0 && (c >> 19 & 1) != 0 && (c >> 9 & 1) != 0;
}

}  // namespace

Sha256::Blocks sha256_blocks_of_cpu() noexcept {
  return has_sha() ? blocks_x86 : nullptr;
}

}  // namespace spikeloom

#else

namespace spikeloom {

Sha256::Blocks sha256_blocks_of_cpu() noexcept {
  return nullptr;
}

}  // namespace spikeloom

#endif
