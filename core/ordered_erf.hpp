#pragma once
// erf and GELU with one written order of operations: the same bits in every backend.
//
// Between 0 and 4, erf is the Taylor polynomial around the middle of the quarter x lies in; its
// coefficients follow from erf' = 2/sqrt(pi) exp(-x^2) at compile time. Error below 2e-9; from 4
// on, erf rounds to 1 in fp32.

#include <array>
#include <cmath>
#include <cstddef>

#include "core/device.hpp"

namespace spikeloom {
namespace erf_detail {

constexpr int kPieces = 16, kTerms = 11;
constexpr double kWidth = 0.25, kEnd = kPieces * kWidth;
constexpr double kTwoOverSqrtPi = 1.1283791670955125739;

// Taylor coefficients of erf around c.
constexpr std::array<double, kTerms> coefficients(double c) {
  // exp(c^2) and the sum of 2^n c^(2n+1) / (1*3*..*(2n+1)): positive terms, nothing cancels.
  double power = 1, term = c, exponential = 1, sum = c;
  for (int n = 1; n < 120; ++n) {
    power *= c * c / n;
    exponential += power;
    term *= 2 * c * c / (2 * n + 1);
    sum += term;
  }
  std::array<double, kTerms> result{};
  result[0] = kTwoOverSqrtPi * sum / exponential;
  // exp(-x^2) = sum of f_n (x - c)^n with (n+1) f_(n+1) = -2 c f_n - 2 f_(n-1).
  double f = 1 / exponential, before = 0;
  for (int n = 1; n < kTerms; ++n) {
    result[static_cast<size_t>(n)] = kTwoOverSqrtPi * f / n;
    const double next = (-2 * c * f - 2 * before) / n;
    before = f;
    f = next;
  }
  return result;
}

constexpr std::array<std::array<double, kTerms>, kPieces> make_table() {
  std::array<std::array<double, kTerms>, kPieces> table{};
  for (int i = 0; i < kPieces; ++i)
    table[static_cast<size_t>(i)] = coefficients((i + 0.5) * kWidth);
  return table;
}
#if !defined(__CUDACC__)  // whose constants may not underflow; the table comes from the host
inline constexpr auto kTable = make_table();
#endif

}  // namespace erf_detail

// `coefficient(piece, n)` is that element of the table, wherever it lies.
template <typename F>
SPIKELOOM_DEVICE inline double ordered_erf(double x, F coefficient) noexcept {
  using namespace erf_detail;
  const double size = std::abs(x);
  if (!(size < kEnd)) return std::isnan(x) ? x : x > 0 ? 1.0 : -1.0;
  const int piece = static_cast<int>(size / kWidth);
  const double d = size - (piece + 0.5) * kWidth;
  double y = coefficient(piece, kTerms - 1);
  for (int n = kTerms - 2; n >= 0; --n) y = std::fma(y, d, coefficient(piece, n));
  return x < 0 ? -y : y;
}

#if !defined(__CUDACC__)
inline double ordered_erf(double x) noexcept {
  return ordered_erf(x, [](int piece, int n) {
    return erf_detail::kTable[static_cast<size_t>(piece)][static_cast<size_t>(n)];
  });
}
#endif

// x/2 (1 + erf(x / sqrt 2)) in double, rounded once.
template <typename F>
SPIKELOOM_DEVICE inline float ordered_gelu(float x, F coefficient) noexcept {
  constexpr double kSqrtHalf = 0.70710678118654752440;
  const double wide = x;
  return static_cast<float>(0.5 * wide * (1.0 + ordered_erf(wide * kSqrtHalf, coefficient)));
}
#if !defined(__CUDACC__)
inline float ordered_gelu(float x) noexcept {
  constexpr double kSqrtHalf = 0.70710678118654752440;
  const double wide = x;
  return static_cast<float>(0.5 * wide * (1.0 + ordered_erf(wide * kSqrtHalf)));
}
#endif

}  // namespace spikeloom
