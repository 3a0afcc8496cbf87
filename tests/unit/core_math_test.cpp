// Accuracy of the ordered functions over all of fp32; that targets agree is tests/parity's
// business.

#include <cmath>
#include <limits>

#include "core/ordered_math.hpp"
#include "tests/catch.hpp"

namespace spikeloom {
namespace {

constexpr float kInfinity = std::numeric_limits<float>::infinity();
constexpr long double kSmallestNormal = 0x1p-126L;

// |value - exact| in units of the last place of a float of that size.
double ulps(float value, long double exact) {
  const long double unit = std::ldexp(1.0L, std::ilogb(exact) - 23);
  return static_cast<double>(std::abs(static_cast<long double>(value) - exact) / unit);
}

// Calls f with every `stride`-th finite float.
template <typename F>
void each_float(uint32_t stride, F f) {
  for (uint64_t bits = 0; bits < uint64_t{1} << 32; bits += stride) {
    const auto x = std::bit_cast<float>(static_cast<uint32_t>(bits));
    if (std::isfinite(x)) f(x);
  }
}

TEST_CASE("ordered exp is within one unit in the last place", "[core]") {
  double worst = 0;
  bool zero_below = true, infinite_above = true;
  each_float(1021, [&](float x) {
    const long double exact = std::exp(static_cast<long double>(x));
    const float value = ordered_exp(x);
    if (exact < kSmallestNormal) {
      zero_below = zero_below && value == 0.0f;
    } else if (exact > static_cast<long double>(std::numeric_limits<float>::max())) {
      infinite_above = infinite_above && value == kInfinity;
    } else {
      worst = std::max(worst, ulps(value, exact));
    }
  });
  CAPTURE(worst);
  CHECK(worst < 1.0);
  CHECK(zero_below);
  CHECK(infinite_above);
}

TEST_CASE("ordered exp changes over to 0 and infinity exactly at the ends of the range", "[core]") {
  for (float x = -87.34f; x < -87.33f; x = std::nextafter(x, 0.0f)) {
    const bool normal = std::exp(static_cast<long double>(x)) >= kSmallestNormal;
    CHECK((ordered_exp(x) >= std::numeric_limits<float>::min()) == normal);
    CHECK((ordered_exp(x) == 0.0f) == !normal);
  }
  const float last = 88.72283f;
  CHECK(std::isfinite(ordered_exp(last)));
  CHECK(std::isfinite(std::exp(last)));
  CHECK(ordered_exp(std::nextafter(last, 89.0f)) == kInfinity);
  CHECK(std::isinf(std::exp(std::nextafter(last, 89.0f))));
  CHECK(ordered_exp(0.0f) == 1.0f);
  CHECK(ordered_exp(-0.0f) == 1.0f);
  CHECK(ordered_exp(-kInfinity) == 0.0f);
  CHECK(ordered_exp(-1e38f) == 0.0f);
  CHECK(ordered_exp(kInfinity) == kInfinity);
  CHECK(std::isnan(ordered_exp(std::numeric_limits<float>::quiet_NaN())));
}

TEST_CASE("ordered sigmoid is within 2.5 units in the last place", "[core]") {
  double worst = 0;
  long double worst_tiny = 0;
  each_float(1021, [&](float x) {
    const long double exact = 1.0L / (1.0L + std::exp(-static_cast<long double>(x)));
    const float value = ordered_sigmoid(x);
    if (exact < kSmallestNormal) {
      worst_tiny = std::max(worst_tiny, std::abs(static_cast<long double>(value) - exact));
    } else {
      worst = std::max(worst, ulps(value, exact));
    }
  });
  CAPTURE(worst);
  CHECK(worst < 2.5);
  CHECK(worst_tiny < kSmallestNormal);
  CHECK(ordered_sigmoid(0.0f) == 0.5f);
  CHECK(ordered_sigmoid(-kInfinity) == 0.0f);
  CHECK(ordered_sigmoid(kInfinity) == 1.0f);
  CHECK(std::isnan(ordered_sigmoid(std::numeric_limits<float>::quiet_NaN())));
}

}  // namespace
}  // namespace spikeloom
