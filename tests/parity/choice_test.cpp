// Which kernel adds up spikes: the table of firing rates, and that a choice changes no bit.

#include "sim/backends/cpu/choice.hpp"

#include <algorithm>
#include <cmath>

#include "sim/backends/cpu/cpu.hpp"
#include "tests/catch.hpp"

namespace spikeloom {
namespace {

BreakEven numbered() {
  BreakEven rates;
  for (size_t i = 0; i < rates.size(); ++i) rates[i] = static_cast<double>(i) / 100;
  return rates;
}

double rate_of(const BreakEven& rates, const SumShape& s) {
  return break_even_rate(rates, s.precision, s.kernel, s.kernel * s.kernel * s.in_channels,
                         s.out_channels);
}

TEST_CASE("at its corners the table gives what was measured there", "[choice]") {
  const BreakEven rates = numbered();
  for (size_t i = 0; i < rates.size(); ++i) CHECK(rate_of(rates, sum_shapes()[i]) == rates[i]);
}

TEST_CASE("between and beyond corners rates are interpolated and kept", "[choice]") {
  const BreakEven rates = numbered();
  int between = 0;
  for (size_t i = 0; i + 3 < rates.size(); i += 2) {
    const SumShape &first = sum_shapes()[i], &last = sum_shapes()[i + 3];
    if (first.kernel != last.kernel || first.precision != last.precision) continue;
    ++between;
    SumShape middle = first;  // the geometric middle of both
    middle.out_channels = 64;
    CHECK(rate_of(rates, middle) == Approx((rates[i] + rates[i + 1]) / 2));
    middle.in_channels *= 2;
    const double way = 1 / std::log2(static_cast<double>(last.in_channels) /
                                     static_cast<double>(first.in_channels));
    CHECK(rate_of(rates, middle) ==
          Approx((rates[i] + rates[i + 1]) / 2 + (rates[i + 2] - rates[i]) * way));
  }
  CHECK(between == 12);  // two fan-ins to the next one, of three precisions and two kernels
  for (size_t i = 0; i < rates.size(); i += 6) {  // three fan-ins with two numbers of outputs each
    const SumShape& first = sum_shapes()[i];
    CHECK(rate_of(rates, {first.precision, first.kernel, 1, 1}) == rates[i]);
    CHECK(rate_of(rates, {first.precision, first.kernel, 1 << 20, 1 << 20}) == rates[i + 5]);
  }
}

TEST_CASE("kernels of 2x2 and 7x7 use the rates of 3x3", "[choice]") {
  const BreakEven rates = numbered();
  for (const int64_t kernel : {2, 7}) {
    CHECK(break_even_rate(rates, Precision::kInt8, kernel, 576, 64) ==
          break_even_rate(rates, Precision::kInt8, 3, 576, 64));
  }
}

TEST_CASE("measured rates are rates, on every SIMD target", "[choice]") {
  for (const std::string& simd : cpu_simd_targets()) {
    const BreakEven rates = measure_break_even(simd);
    CHECK(std::all_of(rates.begin(), rates.end(), [](double r) { return r >= 0 && r <= 1; }));
    // At some corner events pay.
    CHECK(*std::max_element(rates.begin(), rates.end()) > 0.1);
  }
}

}  // namespace
}  // namespace spikeloom
