// The functions of core/ordered_math.hpp, which says what they are. No include guard and no
// namespace: included inside the namespace of every SIMD target, because a function compiled for
// one target cannot be inlined into another's.

template <class L>
SPIKELOOM_DEVICE inline typename L::V ordered_exp(typename L::V x) noexcept {
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
SPIKELOOM_DEVICE inline typename L::V ordered_sigmoid(typename L::V x) noexcept {
  const auto one = L::fill(1.0f);
  return L::div(one, L::add(one, ordered_exp<L>(L::sub(L::fill(0.0f), x))));
}
