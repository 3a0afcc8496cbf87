#include "core/levels.hpp"

#include <algorithm>

namespace spikeloom {

std::string range_text(LevelRange range) {
  return std::to_string(range.low) + " to " + std::to_string(range.high);
}

bool pack_levels(const float* values, int64_t rows, int64_t channels, int64_t stride,
                 LevelRange range, uint64_t* planes) noexcept {
  const int64_t words = words_for(channels), magnitudes = range.magnitudes();
  const auto low = static_cast<float>(range.low), high = static_cast<float>(range.high);
  std::fill_n(planes, range.planes() * rows * words, uint64_t{0});
  bool fits = true;
  for (int64_t row = 0; row < rows; ++row, values += stride) {
    for (int64_t c = 0; c < channels; ++c) {
      const float value = values[c];
      if (value == 0.0f) continue;
      if (!(value >= low && value <= high)) {  // NaN as well
        fits = false;
        continue;
      }
      const auto level = static_cast<int64_t>(value);
      fits &= static_cast<float>(level) == value;
      const uint64_t bit = uint64_t{1} << (c & 63);
      uint64_t* word = planes + row * words + (c >> 6);
      auto left = static_cast<uint64_t>(level < 0 ? -level : level);
      for (uint64_t* plane = word; left != 0; left >>= 1, plane += rows * words) {
        if ((left & 1) != 0) *plane |= bit;
      }
      if (level < 0) word[magnitudes * rows * words] |= bit;
    }
  }
  return fits;
}

LevelCount count_levels(SpikeView planes, int64_t rows, int64_t row, LevelRange range) noexcept {
  LevelCount count;
  for (int64_t plane = 0; plane < range.magnitudes(); ++plane)
    count.units += planes.count_row(plane * rows + row) << plane;
  for (int64_t word = 0; word < planes.row_words(); ++word) {
    uint64_t any = 0;
    for (int64_t plane = 0; plane < range.magnitudes(); ++plane)
      any |= planes.row(plane * rows + row)[word];
    count.nonzero += count_bits(any);
  }
  return count;
}

int64_t count_units(SpikeView planes, LevelRange range) noexcept {
  if (range.planes() == 1) return planes.count();
  const int64_t rows = planes.rows / range.planes();
  int64_t units = 0;
  for (int64_t row = 0; row < rows * range.magnitudes(); ++row)
    units += planes.count_row(row) << (row / rows);
  return units;
}

int64_t count_packed_levels(std::span<const uint8_t> packed, int64_t neurons,
                            LevelRange range) noexcept {
  if (range.planes() == 1) return count_packed(packed);
  int64_t units = 0;
  for_each_level(packed, neurons, range,
                 [&](int64_t, int64_t level) { units += level < 0 ? -level : level; });
  return units;
}

}  // namespace spikeloom
