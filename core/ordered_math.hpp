#pragma once
// exp and sigmoid in fp32 with one written order of operations, so that every backend and SIMD
// target gives the same bits (design 4). Written once over a type L of lanes: ScalarLanes here,
// vectors in the kernels. L has
//
//   V, fill(float), add, sub, mul, div, fma (one rounding each), at_most(a, b), select(mask, a, b)
//   times_power(p, t): p * 2^n where n stands in the lowest bits of t (t = n + 1.5 * 2^23) and the
//                      result is a normal number
//
//   exp(x)      n = x * log2(e) rounded to an integer, r = x - n ln 2 (ln 2 in two parts), Taylor
//               polynomial of degree 7 in r by Horner's rule, times 2^n. Below 1 ulp from the exact
//               value; 0 where that is below 2^-126 (x <= -87.33655), infinity for x > 88.72283.
//   sigmoid(x)  1 / (1 + exp(-x)); below 2.5 ulp; results below 2^-126 to 2^-126.
//
// NaN gives NaN. Accuracy is tested against long double over the whole range (core_math_test).

#include <bit>
#include <cmath>
#include <cstdint>
#include <limits>

namespace spikeloom {

struct ScalarLanes {
  using V = float;
  static V fill(float value) noexcept { return value; }
  static V add(V a, V b) noexcept { return a + b; }
  static V sub(V a, V b) noexcept { return a - b; }
  static V mul(V a, V b) noexcept { return a * b; }
  static V div(V a, V b) noexcept { return a / b; }
  static V fma(V a, V b, V c) noexcept { return std::fma(a, b, c); }
  static bool at_most(V a, V b) noexcept { return a <= b; }
  static V select(bool mask, V a, V b) noexcept { return mask ? a : b; }
  static V times_power(V p, V t) noexcept {
    return std::bit_cast<float>(std::bit_cast<uint32_t>(p) + (std::bit_cast<uint32_t>(t) << 23));
  }
};

template <class L>
inline typename L::V ordered_exp(typename L::V x) noexcept {
  constexpr float kTiny = -87.33655f;         // largest x with exp(x) < 2^-126
  constexpr float kHighest = 88.72283f;       // largest x with a finite exp(x)
  constexpr float kRound = 0x1.8p23f;         // adding it leaves integers in the lowest bits
  constexpr float kLog2E = 0x1.715476p0f;     // log2(e)
  constexpr float kLn2High = 0x1.62e4p-1f;    // ln 2 to 15 bits: n * kLn2High is exact
  constexpr float kLn2Low = 0x1.7f7d1cp-20f;  // ln 2 - kLn2High
  constexpr float kTaylor[] = {1.0f / 5040, 1.0f / 720, 1.0f / 120, 1.0f / 24,
                               1.0f / 6,    0.5f,       1.0f,       1.0f};
  const auto t = L::fma(x, L::fill(kLog2E), L::fill(kRound));
  const auto n = L::sub(t, L::fill(kRound));
  auto r = L::fma(n, L::fill(-kLn2High), x);
  r = L::fma(n, L::fill(-kLn2Low), r);
  auto p = L::fill(kTaylor[0]);
  for (int i = 1; i < 8; ++i) p = L::fma(p, r, L::fill(kTaylor[i]));
  const auto scaled = L::times_power(p, t);
  const auto above = L::mul(x, L::fill(std::numeric_limits<float>::infinity()));  // infinity or NaN
  const auto bounded = L::select(L::at_most(x, L::fill(kHighest)), scaled, above);
  return L::select(L::at_most(x, L::fill(kTiny)), L::fill(0.0f), bounded);
}

template <class L>
inline typename L::V ordered_sigmoid(typename L::V x) noexcept {
  const auto one = L::fill(1.0f);
  return L::div(one, L::add(one, ordered_exp<L>(L::sub(L::fill(0.0f), x))));
}

inline float ordered_exp(float x) noexcept {
  return ordered_exp<ScalarLanes>(x);
}
inline float ordered_sigmoid(float x) noexcept {
  return ordered_sigmoid<ScalarLanes>(x);
}

}  // namespace spikeloom
