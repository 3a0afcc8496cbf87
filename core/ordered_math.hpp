#pragma once
// exp and sigmoid in fp32 with one written order of operations, so that every backend and SIMD
// target gives the same bits. The functions stand once, in
// core/ordered_math-inl.hpp, over a type L of lanes: ScalarLanes here, vectors in the kernels,
// which include that file again in every target's namespace. L has
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

#include "core/device.hpp"

namespace spikeloom {

struct ScalarLanes {
  using V = float;
  SPIKELOOM_DEVICE static V fill(float value) noexcept { return value; }
  SPIKELOOM_DEVICE static V add(V a, V b) noexcept { return a + b; }
  SPIKELOOM_DEVICE static V sub(V a, V b) noexcept { return a - b; }
  SPIKELOOM_DEVICE static V mul(V a, V b) noexcept { return a * b; }
  SPIKELOOM_DEVICE static V div(V a, V b) noexcept { return a / b; }
  SPIKELOOM_DEVICE static V fma(V a, V b, V c) noexcept { return std::fma(a, b, c); }
  SPIKELOOM_DEVICE static bool at_most(V a, V b) noexcept { return a <= b; }
  SPIKELOOM_DEVICE static V select(bool mask, V a, V b) noexcept { return mask ? a : b; }
  SPIKELOOM_DEVICE static V times_power(V p, V t) noexcept {
    return std::bit_cast<float>(std::bit_cast<uint32_t>(p) + (std::bit_cast<uint32_t>(t) << 23));
  }
};

#include "core/ordered_math-inl.hpp"

SPIKELOOM_DEVICE inline float ordered_exp(float x) noexcept {
  return ordered_exp<ScalarLanes>(x);
}
SPIKELOOM_DEVICE inline float ordered_sigmoid(float x) noexcept {
  return ordered_sigmoid<ScalarLanes>(x);
}

}  // namespace spikeloom
