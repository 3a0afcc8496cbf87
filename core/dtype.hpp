#pragma once
// Element types of stored tensors and the conversions to and from fp32.

#include <bit>
#include <cstdint>
#include <string_view>

namespace spikeloom {

enum class DType : uint8_t { kF32, kF64, kF16, kBF16, kI64, kI32, kI16, kI8, kU8, kBool };

// Bytes per element.
constexpr int64_t size_of(DType type) noexcept {
  switch (type) {
    case DType::kF64:
    case DType::kI64: return 8;
    case DType::kF32:
    case DType::kI32: return 4;
    case DType::kF16:
    case DType::kBF16:
    case DType::kI16: return 2;
    case DType::kI8:
    case DType::kU8:
    case DType::kBool: return 1;
  }
  return 0;
}

constexpr bool is_float(DType type) noexcept {
  return type == DType::kF32 || type == DType::kF64 || type == DType::kF16 || type == DType::kBF16;
}

// "float32", "int64", ... (NumPy's names; "bfloat16", "bool")
std::string_view name_of(DType type) noexcept;

// IEEE binary16 <-> binary32. To half: round to nearest even, overflow to infinity, NaN kept quiet.
float half_to_float(uint16_t bits) noexcept;
uint16_t float_to_half(float value) noexcept;

// bfloat16 is the upper half of binary32; to it: round to nearest even, NaN kept quiet.
uint16_t float_to_bfloat16(float value) noexcept;
inline float bfloat16_to_float(uint16_t bits) noexcept {
  return std::bit_cast<float>(static_cast<uint32_t>(bits) << 16);
}

}  // namespace spikeloom
