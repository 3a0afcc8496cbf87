#pragma once
// What the readers of untrusted binary files share: unaligned loads, names, strided copies.
//
// All stored formats are little-endian and so is every supported host. Functions are pure and
// thread-safe.

#include <bit>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <span>
#include <string>
#include <string_view>
#include <type_traits>

#include "core/error.hpp"
#include "core/shape.hpp"

namespace spikeloom {

static_assert(std::endian::native == std::endian::little, "big-endian hosts are not supported");

// Most dimensions a stored tensor may have (NumPy and PyTorch allow no more).
constexpr size_t kMaxRank = 64;

// The little-endian number at `offset`. Throws Error(kData) when it does not lie inside the bytes.
template <typename T>
requires std::is_arithmetic_v<T> T load_le(std::span<const std::byte> bytes, size_t offset) {
  if (offset > bytes.size() || bytes.size() - offset < sizeof(T)) {
    throw Error(ErrorCode::kData, "the data end early at byte " + std::to_string(offset));
  }
  T value;
  std::memcpy(&value, bytes.data() + offset, sizeof(T));
  return value;
}

inline std::string_view as_text(std::span<const std::byte> bytes) noexcept {
  return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
}

inline std::span<const std::byte> as_bytes_of(std::string_view text) noexcept {
  return {reinterpret_cast<const std::byte*>(text.data()), text.size()};
}

// A name that came from a file: 1 to 4096 bytes of UTF-8 without control characters.
// Throws Error(kData) starting with `where`.
void check_name(std::string_view name, const std::string& where);

// Element count of a shape of untrusted origin times element bytes. Throws Error(kData) starting
// with `where` when there are more than kMaxRank dimensions or the product overflows.
int64_t checked_bytes(const Shape& shape, int64_t element_bytes, const std::string& where);

// Reverses the bytes of each `width`-byte element (1, 2, 4 or 8).
void swap_elements(std::span<std::byte> bytes, int64_t width);

// Copies the elements base[sum_i index_i * strides_i] (strides in elements, >= 0) to `out` in C
// order. The caller has checked that every address lies inside the storage and that no extent is
// negative.
void gather_strided(const std::byte* base, int64_t element_bytes, const Shape& shape,
                    std::span<const int64_t> strides, std::byte* out);

}  // namespace spikeloom
