#pragma once
// Prices of arithmetic and memory, each with its evidence, scope, node and source.
//
// Units: pJ for one operation, or for one memory access of `access_bits`. Scope "per_op" is the
// cost of one more event; whole-chip power divided by event rate ("all_in") must never stand in the
// same table. Evidence marks: S measured on silicon, P circuit simulation, F regression fit of
// silicon, D derived by arithmetic, E estimate (no real chip), A architectural fact, R taken from
// secondary quotation, source not re-read. Thread-safe: plain values.

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "core/dtype.hpp"
#include "sim/graph/quantize.hpp"

namespace spikeloom {

struct Price {
  std::string name;
  double value_pJ = 0;
  char mark = 'E';
  std::string scope = "per_op";
  int node_nm = 0;
  std::string source;
  int access_bits = 0;  // memory: width of the access that `value_pJ` pays for; 0 for arithmetic
};

struct EnergyTable {
  std::string name;
  std::vector<Price> prices;
  // Throws Error(kInternal) when the table has no such price.
  const Price& at(std::string_view price_name) const;
};

// 45 nm, 0.9 V: M. Horowitz, "Computing's energy problem (and what we can do about it)", ISSCC
// 2014.
EnergyTable horowitz45();

// Number format a network is priced at: those of sim/graph/quantize.hpp under the same names, and
// kQnnEquiv: 8-bit weights, activations of as many bits as T steps of a rate code can tell apart
// (Yan et al., arXiv 2409.08290).
enum class Arithmetic { kFp32, kInt16, kInt8, kBf16, kQnnEquiv };
Arithmetic arithmetic_of(Precision precision) noexcept;
std::string_view name_of(Arithmetic precision) noexcept;

// ceil(log2(steps + 1)), at least 1: T = 1 -> 1, 3 -> 2, 4 -> 3, 15 -> 4.
int activation_bits(int64_t steps) noexcept;

// What one multiply-accumulate and one accumulation cost in the 45 nm table.
struct ArithmeticPrices {
  Price mac;
  Price ac;
};
// fp32: 3.7 + 0.9 and 0.9. int8: 0.2 + 0.1 (sums in 32 bits) and 0.1. int16: 0.8 + 0.1, mark E, and
// 0.05 (sums in 16 bits). bf16: as fp32, weights alone are narrow. qnn_equiv: 0.2 * bits/8 + 0.1,
// mark E. `steps` matters to qnn_equiv only.
ArithmeticPrices arithmetic_prices(Arithmetic precision, int64_t steps);
// A multiply-accumulate as this engine runs it where weights are narrow and everything else is
// fp32: the weight is widened, so that the price is that of fp32.
Price widened_mac(DType weights);

}  // namespace spikeloom
