#include "sim/backends/cpu/tables.hpp"

#include <algorithm>

#if defined(__x86_64__)

#include <immintrin.h>

// gcc 12 takes the "undefined" operand inside its own intrinsics for a mistake (its bug 105593).
#ifndef __clang__
#pragma GCC diagnostic ignored "-Wuninitialized"
#pragma GCC diagnostic ignored "-Wmaybe-uninitialized"
#endif

#define SPIKELOOM_TABLES __attribute__((target("avx512f,avx512bw,avx512vl,avx512dq,avx512vbmi")))

namespace spikeloom::cpu {
namespace {

// 32 vectors load(i) of 32 16-bit numbers: rows become columns, store(i, vector). Within 128 bits
// by unpacking, eight rows at a time; then the quarters of vectors change places.
template <typename Load, typename Store>
SPIKELOOM_TABLES inline void transpose_words(Load load, Store store) {
  __m512i eights[32];
#pragma GCC unroll 1
  for (int a = 0; a < 32; a += 8) {
    __m512i x[8], y[8];
#pragma GCC unroll 8
    for (int i = 0; i < 4; ++i) {
      const __m512i even = load(a + 2 * i), odd = load(a + 2 * i + 1);
      x[2 * i] = _mm512_unpacklo_epi16(even, odd);
      x[2 * i + 1] = _mm512_unpackhi_epi16(even, odd);
    }
#pragma GCC unroll 8
    for (int i = 0; i < 8; i += 4) {
      y[i] = _mm512_unpacklo_epi32(x[i], x[i + 2]);
      y[i + 1] = _mm512_unpackhi_epi32(x[i], x[i + 2]);
      y[i + 2] = _mm512_unpacklo_epi32(x[i + 1], x[i + 3]);
      y[i + 3] = _mm512_unpackhi_epi32(x[i + 1], x[i + 3]);
    }
#pragma GCC unroll 8
    for (int i = 0; i < 4; ++i) {
      eights[a + 2 * i] = _mm512_unpacklo_epi64(y[i], y[i + 4]);
      eights[a + 2 * i + 1] = _mm512_unpackhi_epi64(y[i], y[i + 4]);
    }
  }
#pragma GCC unroll 1
  for (int i = 0; i < 8; ++i) {
    const __m512i low01 = _mm512_shuffle_i64x2(eights[i], eights[8 + i], 0x44),
                  high01 = _mm512_shuffle_i64x2(eights[i], eights[8 + i], 0xee),
                  low23 = _mm512_shuffle_i64x2(eights[16 + i], eights[24 + i], 0x44),
                  high23 = _mm512_shuffle_i64x2(eights[16 + i], eights[24 + i], 0xee);
    store(i, _mm512_shuffle_i64x2(low01, low23, 0x88));
    store(8 + i, _mm512_shuffle_i64x2(low01, low23, 0xdd));
    store(16 + i, _mm512_shuffle_i64x2(high01, high23, 0x88));
    store(24 + i, _mm512_shuffle_i64x2(high01, high23, 0xdd));
  }
}

// Outputs [first, first + 32) of a row of weights as 16-bit numbers.
SPIKELOOM_TABLES __m512i numbers_of(const int16_t* row, int64_t first, int64_t) {
  return _mm512_loadu_si512(row + first);
}
SPIKELOOM_TABLES __m512i numbers_of(const int8_t* row, int64_t first, int64_t row_width) {
  if (row_width == 32) {
    const __m256i pairs = _mm256_xor_si256(
        _mm256_loadu_si256(reinterpret_cast<const __m256i*>(row)), _mm256_set1_epi16(0x80));
    return _mm512_cvtepi8_epi16(_mm256_set_m128i(_mm256_cvtepi16_epi8(_mm256_srli_epi16(pairs, 8)),
                                                 _mm256_cvtepi16_epi8(pairs)));
  }
  const __m512i pairs =
      _mm512_xor_si512(_mm512_loadu_si512(row + first / 64 * 64), _mm512_set1_epi16(0x80));
  // The first half of a unit stands in the lower bytes.
  return first % 64 == 0 ? _mm512_srai_epi16(_mm512_slli_epi16(pairs, 8), 8)
                         : _mm512_srai_epi16(pairs, 8);
}

template <typename Int>
SPIKELOOM_TABLES void collect(const Int* weights, int64_t row_width, int64_t channels,
                              int64_t first, int64_t outputs, int16_t* to) {
  const int64_t stride = numbers_stride(channels);
  for (int64_t o = 0; o < outputs; o += 32, to += 32 * stride) {
    for (int64_t c = 0; c < channels; c += 32) {
      transpose_words(
          [&](int i) SPIKELOOM_TABLES {
            return c + i < channels
                       ? numbers_of(weights + (c + i) * row_width, first + o, row_width)
                       : _mm512_setzero_si512();
          },
          [&](int i, __m512i by_output)
              SPIKELOOM_TABLES { _mm512_storeu_si512(to + i * stride + c, by_output); });
    }
    for (int64_t i = 0; i < 32; ++i)
      _mm512_storeu_si512(to + (i + 1) * stride - 32, _mm512_setzero_si512());
  }
}

// Lanes as a type of their own: gcc 12 would store and move sums of type __m512i in every round.
using Words = int16_t __attribute__((vector_size(64)));

template <int kBlocks>
SPIKELOOM_TABLES void add_blocks(const int16_t* table_a, const int16_t* table_b, int64_t groups,
                                 const uint16_t* indices, bool first, int16_t* sums_a,
                                 int16_t* sums_b) {
  Words a[kBlocks], b[kBlocks];
  const __mmask32 kept = first ? 0 : ~__mmask32{0};
#pragma GCC unroll 8
  for (int r = 0; r < kBlocks; ++r) {
    a[r] = reinterpret_cast<Words>(_mm512_maskz_loadu_epi16(kept, sums_a + r * kTableRows));
    b[r] = reinterpret_cast<Words>(_mm512_maskz_loadu_epi16(kept, sums_b + r * kTableRows));
  }
#pragma GCC unroll 1
  for (int64_t g = 0; g < groups; ++g) {
    const __m512i low_a = _mm512_load_si512(table_a), high_a = _mm512_load_si512(table_a + 32),
                  low_b = _mm512_load_si512(table_b), high_b = _mm512_load_si512(table_b + 32);
#pragma GCC unroll 8
    for (int r = 0; r < kBlocks; ++r) {
      __m512i index = _mm512_load_si512(indices + r * kTableRows);
      asm("" : "+v"(index));  // gcc 12 would load it twice
      a[r] += reinterpret_cast<Words>(_mm512_permutex2var_epi16(low_a, index, high_a));
      b[r] += reinterpret_cast<Words>(_mm512_permutex2var_epi16(low_b, index, high_b));
    }
    table_a += kTableEntries;
    table_b += kTableEntries;
    indices += kTableBlocks * kTableRows;
  }
#pragma GCC unroll 8
  for (int r = 0; r < kBlocks; ++r) {
    _mm512_store_si512(sums_a + r * kTableRows, reinterpret_cast<__m512i>(a[r]));
    _mm512_store_si512(sums_b + r * kTableRows, reinterpret_cast<__m512i>(b[r]));
  }
}

}  // namespace

bool has_tables() noexcept {
  return __builtin_cpu_supports("avx512bw") && __builtin_cpu_supports("avx512vl") &&
         __builtin_cpu_supports("avx512dq") && __builtin_cpu_supports("avx512vbmi");
}

SPIKELOOM_TABLES void make_indices(const uint64_t* const* rows, int64_t count, int64_t channels,
                                   uint16_t* to) noexcept {
  // 48 bits to each 64, then six of them to each byte.
  const __m512i spread = _mm512_set_epi64(
      0x31302f2e2d2c2b2a, 0x2b2a292827262524, 0x2524232221201f1e, 0x1f1e1d1c1b1a1918,
      0x1918171615141312, 0x131211100f0e0d0c, 0x0d0c0b0a09080706, 0x0706050403020100);
  const __m512i sixes = _mm512_set1_epi64(0x2a241e18120c0600);
  const int64_t bytes = (channels + 63) / 64 * 8;
  for (int64_t at = 0, g = 0; g < index_vectors(channels); at += 48, g += 64) {
    const int64_t here = std::clamp<int64_t>(bytes - at, 0, 64);
    const __mmask64 valid = here == 64 ? ~__mmask64{0} : (__mmask64{1} << here) - 1;
    transpose_words(
        [&](int r) SPIKELOOM_TABLES {
          const __m512i bits = r < count ? _mm512_maskz_loadu_epi8(
                                               valid, reinterpret_cast<const char*>(rows[r]) + at)
                                         : _mm512_setzero_si512();
          return _mm512_multishift_epi64_epi8(sixes, _mm512_permutexvar_epi8(spread, bits));
        },
        [&](int pair, __m512i groups) SPIKELOOM_TABLES {
          uint16_t* even = to + (g + 2 * pair) * kTableBlocks * kTableRows;
          _mm512_storeu_si512(even, groups);
          _mm512_storeu_si512(even + kTableBlocks * kTableRows, _mm512_srli_epi16(groups, 8));
        });
  }
}

template <typename Int>
void collect_numbers(const Int* weights, int64_t row_width, int64_t channels, int64_t first,
                     int64_t outputs, int16_t* to) noexcept {
  collect(weights, row_width, channels, first, outputs, to);
}
template void collect_numbers(const int8_t*, int64_t, int64_t, int64_t, int64_t, int16_t*) noexcept;
template void collect_numbers(const int16_t*, int64_t, int64_t, int64_t, int64_t,
                              int16_t*) noexcept;

SPIKELOOM_TABLES void make_tables(const int16_t* numbers, int64_t groups, int16_t* to) noexcept {
  for (int64_t g = 0; g < groups; ++g, numbers += kTableInputs, to += kTableEntries) {
    // Bit i of a lane's number says whether input i is in its sum.
    __m512i low = _mm512_maskz_set1_epi16(0xaaaaaaaa, numbers[0]);
    low = _mm512_mask_add_epi16(low, 0xcccccccc, low, _mm512_set1_epi16(numbers[1]));
    low = _mm512_mask_add_epi16(low, 0xf0f0f0f0, low, _mm512_set1_epi16(numbers[2]));
    low = _mm512_mask_add_epi16(low, 0xff00ff00, low, _mm512_set1_epi16(numbers[3]));
    low = _mm512_mask_add_epi16(low, 0xffff0000, low, _mm512_set1_epi16(numbers[4]));
    _mm512_store_si512(to, low);
    _mm512_store_si512(to + 32, _mm512_add_epi16(low, _mm512_set1_epi16(numbers[5])));
  }
}

void add_tables(const int16_t* table_a, const int16_t* table_b, int64_t groups,
                const uint16_t* indices, int64_t blocks, bool first, int16_t* sums_a,
                int16_t* sums_b) noexcept {
  while (blocks > 0) {
    const int64_t now = blocks >= 8 ? 8 : blocks >= 4 ? 4 : blocks >= 2 ? 2 : 1;
    const auto add = now == 8   ? add_blocks<8>
                     : now == 4 ? add_blocks<4>
                     : now == 2 ? add_blocks<2>
                                : add_blocks<1>;
    add(table_a, table_b, groups, indices, first, sums_a, sums_b);
    indices += now * kTableRows;
    sums_a += now * kTableRows;
    sums_b += now * kTableRows;
    blocks -= now;
  }
}

SPIKELOOM_TABLES void add_transposed(const int16_t* from, int64_t stride, bool first,
                                     int64_t row_floats, float* sums) noexcept {
  transpose_words(
      [&](int o) SPIKELOOM_TABLES { return _mm512_loadu_si512(from + o * stride); },
      [&](int r, __m512i row) SPIKELOOM_TABLES {
        float* to = sums + r * row_floats;
        __m512 low = _mm512_cvtepi32_ps(_mm512_cvtepi16_epi32(_mm512_castsi512_si256(row))),
               high = _mm512_cvtepi32_ps(_mm512_cvtepi16_epi32(_mm512_extracti64x4_epi64(row, 1)));
        if (!first) {
          low = _mm512_add_ps(low, _mm512_loadu_ps(to));
          high = _mm512_add_ps(high, _mm512_loadu_ps(to + 16));
        }
        _mm512_storeu_ps(to, low);
        _mm512_storeu_ps(to + 16, high);
      });
}

}  // namespace spikeloom::cpu

#else

namespace spikeloom::cpu {
bool has_tables() noexcept {
  return false;
}
}  // namespace spikeloom::cpu

#endif
