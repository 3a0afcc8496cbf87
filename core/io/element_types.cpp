#include "core/io/element_types.hpp"

#include <cstring>

namespace spikeloom {
namespace {

template <typename To, typename From, typename F>
void convert_each(std::span<const std::byte> stored, Tensor& to, F&& f) {
  const std::span<To> values = to.as<To>();
  for (size_t i = 0; i < values.size(); ++i) {
    From value;
    std::memcpy(&value, stored.data() + i * sizeof(From), sizeof(From));
    values[i] = f(value);
  }
}

}  // namespace

uint16_t e4m3_to_half(uint8_t bits) noexcept {
  const auto sign = static_cast<uint16_t>((bits & 0x80u) << 8);
  const uint32_t magnitude = bits & 0x7fu;
  if (magnitude == 0x7f) return static_cast<uint16_t>(sign | 0x7e00u);
  const uint32_t exponent = magnitude >> 3, mantissa = magnitude & 7u;
  // Exponent bias 7 against 15; a subnormal is mantissa * 2^-9.
  if (exponent == 0) {
    return static_cast<uint16_t>(sign | float_to_half(static_cast<float>(mantissa) * 0x1p-9f));
  }
  return static_cast<uint16_t>(sign | ((exponent + 8) << 10) | (mantissa << 7));
}

void widen_elements(std::span<const std::byte> stored, Widening widening, Tensor& to) {
  switch (widening) {
    case Widening::kNone:
      if (!stored.empty()) std::memcpy(to.data(), stored.data(), stored.size());
      return;
    case Widening::kE4M3: return convert_each<uint16_t, uint8_t>(stored, to, e4m3_to_half);
    case Widening::kE5M2:
      return convert_each<uint16_t, uint8_t>(
          stored, to, [](uint8_t bits) { return static_cast<uint16_t>(bits << 8); });
    case Widening::kU16:
      return convert_each<int32_t, uint16_t>(stored, to,
                                             [](uint16_t v) { return static_cast<int32_t>(v); });
    case Widening::kU32:
      return convert_each<int64_t, uint32_t>(stored, to,
                                             [](uint32_t v) { return static_cast<int64_t>(v); });
  }
}

}  // namespace spikeloom
