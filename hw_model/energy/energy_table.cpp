#include "hw_model/energy/energy_table.hpp"

#include <algorithm>
#include <bit>

#include "core/error.hpp"

namespace spikeloom {
namespace {

constexpr char kHorowitz[] = "Horowitz, ISSCC 2014, 45 nm 0.9 V";
// Not in the printed table of 2014, but in the same numbers as others quote them.
constexpr char kSixteenBitAdd[] =
    "Horowitz's 45 nm table as quoted by Sze et al., Proc. IEEE 105(12) (2017); the line between "
    "its 8-bit (0.03) and 32-bit (0.1) adders gives 0.053";

Price primitive(std::string name, double value_pJ, int access_bits = 0) {
  return {std::move(name), value_pJ, 'R', "per_op", 45, kHorowitz, access_bits};
}

Price derived(std::string name, double value_pJ, char mark, const std::string& how) {
  return {std::move(name), value_pJ, mark, "per_op", 45, std::string(kHorowitz) + ": " + how, 0};
}

}  // namespace

const Price& EnergyTable::at(std::string_view price_name) const {
  const auto found = std::find_if(prices.begin(), prices.end(),
                                  [&](const Price& price) { return price.name == price_name; });
  if (found == prices.end()) {
    throw Error(ErrorCode::kInternal,
                "energy table " + name + " has no price " + std::string(price_name));
  }
  return *found;
}

EnergyTable horowitz45() {
  return {
      "horowitz45",
      {
          primitive("fp32_add", 0.9),
          primitive("fp32_mult", 3.7),
          primitive("int8_add", 0.03),
          {"int16_add", 0.05, 'R', "per_op", 45, kSixteenBitAdd, 0},
          primitive("int32_add", 0.1),
          primitive("int8_mult", 0.2),
          derived("int16_mult", 0.8, 'E',
                  "int8 multiply 0.2 x (16/8)^2, interpolated (a quarter of the 32-bit multiply "
                  "3.1 is 0.775)"),
          derived("ac_fp32", 0.9, 'D', "fp32 add 0.9"),
          derived("mac_fp32", 4.6, 'D', "fp32 multiply 3.7 + add 0.9"),
          derived("ac_int8", 0.1, 'D', "int32 add 0.1 (8-bit weight onto a 32-bit sum)"),
          derived("mac_int8", 0.3, 'D', "int8 multiply 0.2 + int32 add 0.1"),
          {"ac_int16", 0.05, 'R', "per_op", 45,
           std::string("16-bit integer add 0.05 (sums in 16 bits): ") + kSixteenBitAdd, 0},
          derived("mac_int16", 0.9, 'E', "int16 multiply 0.8 (interpolated) + int32 add 0.1"),
          derived("mac_int8_acc8", 0.23, 'D',
                  "int8 multiply 0.2 + int8 add 0.03, used by some papers; not realisable: "
                  "8-bit sums overflow"),
          primitive("sram_8KB", 10, 64),
          primitive("sram_32KB", 20, 64),
          primitive("sram_1MB", 100, 64),
          primitive("dram_low", 1300, 64),
          primitive("dram_high", 2600, 64),
      }};
}

Arithmetic arithmetic_of(Precision precision) noexcept {
  switch (precision) {
    case Precision::kF32: break;
    case Precision::kAcc16: return Arithmetic::kInt16;
    case Precision::kInt8: return Arithmetic::kInt8;
    case Precision::kBF16: return Arithmetic::kBf16;
  }
  return Arithmetic::kFp32;
}

std::string_view name_of(Arithmetic precision) noexcept {
  switch (precision) {
    case Arithmetic::kFp32: return name_of(Precision::kF32);
    case Arithmetic::kInt16: return name_of(Precision::kAcc16);
    case Arithmetic::kInt8: return name_of(Precision::kInt8);
    case Arithmetic::kBf16: return name_of(Precision::kBF16);
    case Arithmetic::kQnnEquiv: return "qnn_equiv";
  }
  return "";
}

int activation_bits(int64_t steps) noexcept {
  // The smallest b with 2^b >= steps + 1 is the bit width of `steps`.
  return std::max(
      1, static_cast<int>(std::bit_width(static_cast<uint64_t>(std::max<int64_t>(steps, 1)))));
}

ArithmeticPrices arithmetic_prices(Arithmetic precision, int64_t steps) {
  const EnergyTable table = horowitz45();
  if (precision == Arithmetic::kFp32) return {table.at("mac_fp32"), table.at("ac_fp32")};
  if (precision == Arithmetic::kInt8) return {table.at("mac_int8"), table.at("ac_int8")};
  if (precision == Arithmetic::kInt16) return {table.at("mac_int16"), table.at("ac_int16")};
  if (precision == Arithmetic::kBf16) return {widened_mac(DType::kBF16), table.at("ac_fp32")};
  const int bits = activation_bits(steps);
  const double value = table.at("int8_mult").value_pJ * bits / 8 + table.at("int32_add").value_pJ;
  return {derived("mac_qnn_equiv", value, 'E',
                  "int8 multiply 0.2 x " + std::to_string(bits) +
                      "/8 + int32 add 0.1, estimate (multiplier energy taken linear in bits)"),
          table.at("ac_int8")};
}

Price widened_mac(DType weights) {
  const std::string type(name_of(weights));
  return derived(
      "mac_fp32_of_" + type, horowitz45().at("mac_fp32").value_pJ, 'D',
      "fp32 multiply 3.7 + add 0.9; the " + type + " weight is widened, value and sum are fp32");
}

}  // namespace spikeloom
