#include "core/io/bytes.hpp"
#include "core/io/hint.hpp"
#include "core/io/utf8.hpp"

#include <algorithm>
#include <vector>

namespace spikeloom {
namespace {

bool is_control(std::string_view text, size_t at) noexcept {
  const auto lead = static_cast<uint8_t>(text[at]);
  if (lead < 0x20 || lead == 0x7f) return true;
  return lead == 0xc2 && at + 1 < text.size() && static_cast<uint8_t>(text[at + 1]) < 0xa0;
}

}  // namespace

void check_name(std::string_view name, const std::string& where) {
  constexpr size_t kLongest = 4096;
  const auto refuse = [&](const char* why) {
    throw Error(ErrorCode::kData, where + ": name '" + printable(name, 80) + "' " + why);
  };
  if (name.empty()) refuse("is empty");
  if (name.size() > kLongest) refuse("is longer than 4096 bytes");
  if (!is_utf8(name)) refuse("is not UTF-8");
  for (size_t i = 0; i < name.size(); ++i) {
    if (is_control(name, i)) refuse("holds a control character");
  }
}

int64_t checked_bytes(const Shape& shape, int64_t element_bytes, const std::string& where) {
  if (shape.size() > kMaxRank) {
    throw Error(ErrorCode::kData, where + ": " + std::to_string(shape.size()) +
                                      " dimensions, at most " + std::to_string(kMaxRank));
  }
  int64_t count = 0;
  try {
    count = element_count(shape);
  } catch (const Error& error) {
    throw error.in(where);
  }
  if (count > (int64_t{1} << 62) / element_bytes) {
    throw Error(ErrorCode::kData, where + ": shape " + to_string(shape) + " overflows");
  }
  return count * element_bytes;
}

void swap_elements(std::span<std::byte> bytes, int64_t width) {
  const auto step = static_cast<size_t>(width);
  for (size_t at = 0; at + step <= bytes.size(); at += step) {
    std::reverse(bytes.begin() + static_cast<ptrdiff_t>(at),
                 bytes.begin() + static_cast<ptrdiff_t>(at + step));
  }
}

void gather_strided(const std::byte* base, int64_t element_bytes, const Shape& shape,
                    std::span<const int64_t> strides, std::byte* out) {
  if (std::find(shape.begin(), shape.end(), 0) != shape.end()) return;
  // The innermost dimensions that are contiguous together form one run that is copied at once.
  size_t outer = shape.size();
  int64_t run = 1;
  while (outer > 0 && (strides[outer - 1] == run || shape[outer - 1] == 1)) {
    run *= shape[--outer];
  }
  const auto run_bytes = static_cast<size_t>(run * element_bytes);
  std::vector<int64_t> index(outer, 0);
  int64_t offset = 0;
  while (true) {
    std::memcpy(out, base + offset * element_bytes, run_bytes);
    out += run_bytes;
    size_t d = outer;
    for (; d > 0; --d) {
      offset += strides[d - 1];
      if (++index[d - 1] < shape[d - 1]) break;
      offset -= strides[d - 1] * shape[d - 1];
      index[d - 1] = 0;
    }
    if (d == 0) return;
  }
}

}  // namespace spikeloom
