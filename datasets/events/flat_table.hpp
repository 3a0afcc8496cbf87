#pragma once
// A table of a flatbuffer of untrusted origin: every offset is checked when it is followed.

#include <cstdint>
#include <optional>
#include <span>
#include <string_view>

#include "core/error.hpp"
#include "core/io/bytes.hpp"

namespace spikeloom {

// All throw Error(kData) where an offset leads out of the buffer.
class FlatTable {
 public:
  // The root of a buffer with this identifier; the buffer outlives it.
  static FlatTable root(std::span<const std::byte> buffer, std::string_view identifier) {
    if (buffer.size() < 8 || as_text(buffer).substr(4, 4) != identifier)
      throw Error(ErrorCode::kData, "is no buffer of " + std::string(identifier));
    return {buffer, load_le<uint32_t>(buffer, 0)};
  }

  // The scalar of a field, or `missing` where the table has none.
  template <typename T>
  T scalar(size_t field, T missing) const {
    const auto at = place(field);
    return at ? load_le<T>(buffer_, *at) : missing;
  }

  // The bytes of a vector of elements of `width` bytes; empty where the table has none.
  std::span<const std::byte> vector(size_t field, size_t width) const {
    const auto at = place(field);
    if (!at) return {};
    const size_t start = *at + load_le<uint32_t>(buffer_, *at);
    const uint64_t bytes = uint64_t{load_le<uint32_t>(buffer_, start)} * width;
    if (bytes > buffer_.size() - start - 4)
      throw Error(ErrorCode::kData, "a list that leads out of its buffer");
    return buffer_.subspan(start + 4, bytes);
  }

 private:
  FlatTable(std::span<const std::byte> buffer, size_t table) : buffer_(buffer), table_(table) {
    const int64_t names = static_cast<int64_t>(table) - int64_t{load_le<int32_t>(buffer, table)};
    if (names < 0) throw Error(ErrorCode::kData, "a table that leads out of its buffer");
    names_ = static_cast<size_t>(names);
    names_bytes_ = load_le<uint16_t>(buffer, names_);
  }

  std::optional<size_t> place(size_t field) const {
    const size_t entry = 4 + 2 * field;
    if (entry + 2 > names_bytes_) return {};
    const auto offset = load_le<uint16_t>(buffer_, names_ + entry);
    if (offset == 0) return {};
    return table_ + offset;
  }

  std::span<const std::byte> buffer_;
  size_t table_, names_ = 0, names_bytes_ = 0;
};

}  // namespace spikeloom
