#pragma once
// Element types that files store and what they become in a Tensor: the same bits where there is
// such a type, else a wider one that holds every value exactly (float8 in float16, uint16 in int32,
// uint32 in int64).

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>

#include "core/dtype.hpp"
#include "core/tensor.hpp"

namespace spikeloom {

enum class Widening : uint8_t { kNone, kE4M3, kE5M2, kU16, kU32 };

struct ElementType {
  std::optional<DType> dtype;  // in a Tensor; empty: none holds it
  int64_t bytes = 0;           // of an element as stored; 0: unknown
  Widening widening = Widening::kNone;
};

// float8 of the Open Compute Project: e4m3 has no infinity (0x7f and 0xff are NaN), e5m2 is the
// upper half of float16. Exact in float16.
uint16_t e4m3_to_half(uint8_t bits) noexcept;

// The stored elements, little-endian and as many as `to` has, as elements of `to`.
void widen_elements(std::span<const std::byte> stored, Widening widening, Tensor& to);

}  // namespace spikeloom
