#include "sim/backends/cpu/dense_bits.hpp"

#if defined(__x86_64__)

#include <immintrin.h>

#include <algorithm>
#include <cstring>

// gcc 12 takes the "undefined" operand inside its own intrinsics for a mistake (its bug 105593).
#ifndef __clang__
#pragma GCC diagnostic ignored "-Wuninitialized"
#pragma GCC diagnostic ignored "-Wmaybe-uninitialized"
#endif

#define SPIKELOOM_VNNI __attribute__((target("avx512f,avx512bw,avx512vl,avx512dq,avx512vnni")))

namespace spikeloom::cpu {
namespace {

// Four rows of 64 int8 into four vectors of 16 outputs, the inputs of an output side by side.
SPIKELOOM_VNNI inline void interleave(const __m512i rows[4], __m512i out[4]) {
  // Bytes are interleaved within lanes of 128 bits; lane j of vector q shall hold outputs 16 q + 4
  // j on.
  const __m512i order = _mm512_setr_epi32(0, 4, 8, 12, 1, 5, 9, 13, 2, 6, 10, 14, 3, 7, 11, 15);
  __m512i r[4];
  for (int i = 0; i < 4; ++i) r[i] = _mm512_permutexvar_epi32(order, rows[i]);
  const __m512i low01 = _mm512_unpacklo_epi8(r[0], r[1]), high01 = _mm512_unpackhi_epi8(r[0], r[1]),
                low23 = _mm512_unpacklo_epi8(r[2], r[3]), high23 = _mm512_unpackhi_epi8(r[2], r[3]);
  out[0] = _mm512_unpacklo_epi16(low01, low23);
  out[1] = _mm512_unpackhi_epi16(low01, low23);
  out[2] = _mm512_unpacklo_epi16(high01, high23);
  out[3] = _mm512_unpackhi_epi16(high01, high23);
}

// A unit of 64, or 32, int8 weights in the order of their outputs (pair_place()).
template <int kVectors>
SPIKELOOM_VNNI __m512i unpair(const int8_t* from) {
  if constexpr (kVectors == 4) {
    const __m512i pairs = _mm512_xor_si512(_mm512_loadu_si512(from), _mm512_set1_epi16(0x80));
    return _mm512_inserti64x4(_mm512_castsi256_si512(_mm512_cvtepi16_epi8(pairs)),
                              _mm512_cvtepi16_epi8(_mm512_srli_epi16(pairs, 8)), 1);
  } else {
    const __m256i pairs = _mm256_xor_si256(
        _mm256_loadu_si256(reinterpret_cast<const __m256i*>(from)), _mm256_set1_epi16(0x80));
    return _mm512_zextsi256_si512(_mm256_set_m128i(
        _mm256_cvtepi16_epi8(_mm256_srli_epi16(pairs, 8)), _mm256_cvtepi16_epi8(pairs)));
  }
}

template <int kVectors>
SPIKELOOM_VNNI void pack(const int8_t* weights, int64_t row_width, int64_t rows, __m512i* to) {
  __m512i in[4], out[4];
  for (int64_t r = 0; r < 4; ++r)
    in[r] = r < rows ? unpair<kVectors>(weights + r * row_width) : _mm512_setzero_si512();
  interleave(in, out);
  for (int v = 0; v < kVectors; ++v) _mm512_storeu_si512(to + v, out[v]);
}

template <int kVectors>
SPIKELOOM_VNNI void pack(const int16_t* weights, int64_t row_width, int64_t rows, __m512i* to) {
  for (int v = 0; v < kVectors; ++v) {
    const auto load = [&](int64_t row) SPIKELOOM_VNNI {
      return _mm512_cvtepu16_epi32(
          _mm256_loadu_si256(reinterpret_cast<const __m256i*>(weights + row * row_width + 16 * v)));
    };
    const __m512i first = load(0);
    const __m512i second = rows > 1 ? _mm512_slli_epi32(load(1), 16) : _mm512_setzero_si512();
    _mm512_storeu_si512(to + v, _mm512_or_si512(first, second));
  }
}

template <int kVectors, typename Int>
SPIKELOOM_VNNI Int* pack_rows(const Int* weights, int64_t row_width, int64_t channels, Int* to) {
  for (int64_t c = 0; c < channels; c += kDotInputs<Int>) {
    pack<kVectors>(weights + c * row_width, row_width, std::min(kDotInputs<Int>, channels - c),
                   reinterpret_cast<__m512i*>(to));
    to += kVectors * 16 * kDotInputs<Int>;
  }
  return to;
}

// 16 lanes of 32 bits. Sums have this type and not __m512i, whose lanes have 64 bits: gcc 12 would
// store and move each of them in every round.
using Lanes = int32_t __attribute__((vector_size(64)));

SPIKELOOM_VNNI inline Lanes dot(Lanes sum, Lanes x, Lanes w, int8_t) {
  return reinterpret_cast<Lanes>(_mm512_dpbusd_epi32(
      reinterpret_cast<__m512i>(sum), reinterpret_cast<__m512i>(x), reinterpret_cast<__m512i>(w)));
}
SPIKELOOM_VNNI inline Lanes dot(Lanes sum, Lanes x, Lanes w, int16_t) {
  return reinterpret_cast<Lanes>(_mm512_dpwssd_epi32(
      reinterpret_cast<__m512i>(sum), reinterpret_cast<__m512i>(x), reinterpret_cast<__m512i>(w)));
}

// Sums of one row. Rows are variables of their own, not an array: gcc 12 unrolls a nest of loops
// too late to keep an array in registers.
template <int kVectors>
struct RowSums {
  Lanes v[kVectors];
};

template <int kVectors>
SPIKELOOM_VNNI inline RowSums<kVectors> no_sums() {
  RowSums<kVectors> sums;
#pragma GCC unroll 4
  for (int v = 0; v < kVectors; ++v) sums.v[v] = Lanes{};
  return sums;
}

template <int kVectors, typename Int>
SPIKELOOM_VNNI inline void add(RowSums<kVectors>& sums, const Int* x, const RowSums<kVectors>& w) {
  int32_t few;
  std::memcpy(&few, x, sizeof few);
  const auto input = reinterpret_cast<Lanes>(_mm512_set1_epi32(few));
#pragma GCC unroll 4
  for (int v = 0; v < kVectors; ++v) sums.v[v] = dot(sums.v[v], input, w.v[v], Int{});
}

template <int kVectors>
SPIKELOOM_VNNI inline void store(const RowSums<kVectors>& sums, float* to) {
#pragma GCC unroll 4
  for (int v = 0; v < kVectors; ++v)
    _mm512_storeu_ps(to + 16 * v, _mm512_cvtepi32_ps(reinterpret_cast<__m512i>(sums.v[v])));
}

template <int kVectors, typename Int>
SPIKELOOM_VNNI void dot_block(const Int* x, const uint32_t* starts, int64_t inputs,
                              const Int* weights, float* sums) {
  static_assert(kDotRows == 6);
  using Sums = RowSums<kVectors>;
  Sums s0 = no_sums<kVectors>(), s1 = s0, s2 = s0, s3 = s0, s4 = s0, s5 = s0;
  const Int *x0 = x + starts[0], *x1 = x + starts[1], *x2 = x + starts[2], *x3 = x + starts[3],
            *x4 = x + starts[4], *x5 = x + starts[5];
#pragma GCC unroll 1
  for (int64_t i = 0; i < inputs; i += kDotInputs<Int>) {
    Sums w;
#pragma GCC unroll 4
    for (int v = 0; v < kVectors; ++v) {
      w.v[v] = reinterpret_cast<Lanes>(_mm512_loadu_si512(weights));
      weights += 16 * kDotInputs<Int>;
    }
    add(s0, x0 + i, w);
    add(s1, x1 + i, w);
    add(s2, x2 + i, w);
    add(s3, x3 + i, w);
    add(s4, x4 + i, w);
    add(s5, x5 + i, w);
  }
  store(s0, sums);
  store(s1, sums + kDotOutputs);
  store(s2, sums + 2 * kDotOutputs);
  store(s3, sums + 3 * kDotOutputs);
  store(s4, sums + 4 * kDotOutputs);
  store(s5, sums + 5 * kDotOutputs);
}

}  // namespace

bool has_dot_products() noexcept {
  return __builtin_cpu_supports("avx512bw") && __builtin_cpu_supports("avx512vl") &&
         __builtin_cpu_supports("avx512dq") && __builtin_cpu_supports("avx512vnni");
}

template <>
SPIKELOOM_VNNI void spread_bits(const uint64_t* row, int64_t channels, int8_t* to) noexcept {
  const __m512i one = _mm512_set1_epi8(1);
  for (int64_t c = 0; c < channels; c += 64)
    _mm512_storeu_si512(to + c, _mm512_maskz_mov_epi8(row[c / 64], one));
}

template <>
SPIKELOOM_VNNI void spread_bits(const uint64_t* row, int64_t channels, int16_t* to) noexcept {
  const __m512i one = _mm512_set1_epi16(1);
  for (int64_t c = 0; c < channels; c += 32) {
    const auto bits = static_cast<__mmask32>(row[c / 64] >> (c % 64));
    _mm512_storeu_si512(to + c, _mm512_maskz_mov_epi16(bits, one));
  }
}

template <typename Int>
Int* pack_dots(const Int* weights, int64_t row_width, int64_t channels, int64_t outputs,
               Int* to) noexcept {
  return outputs == 64 ? pack_rows<4>(weights, row_width, channels, to)
                       : pack_rows<2>(weights, row_width, channels, to);
}

template <typename Int>
void dot_rows(const Int* x, const uint32_t* starts, int64_t inputs, const Int* weights,
              int64_t outputs, float* sums) noexcept {
  outputs == 64 ? dot_block<4>(x, starts, inputs, weights, sums)
                : dot_block<2>(x, starts, inputs, weights, sums);
}

template int8_t* pack_dots(const int8_t*, int64_t, int64_t, int64_t, int8_t*) noexcept;
template int16_t* pack_dots(const int16_t*, int64_t, int64_t, int64_t, int16_t*) noexcept;
template void dot_rows(const int8_t*, const uint32_t*, int64_t, const int8_t*, int64_t,
                       float*) noexcept;
template void dot_rows(const int16_t*, const uint32_t*, int64_t, const int16_t*, int64_t,
                       float*) noexcept;

}  // namespace spikeloom::cpu

#else

namespace spikeloom::cpu {
bool has_dot_products() noexcept {
  return false;
}
}  // namespace spikeloom::cpu

#endif
