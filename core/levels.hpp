#pragma once
// Levels: small whole numbers of either sign, where spikes are 0 and 1. Sums of spikes, several
// spikes of a neuron in a step, events of a pixel in a frame.
//
// Computed with as fp32 numbers; shown to traces and counters as bit planes: plane p < magnitudes()
// holds bit p of every |level|, and where levels can be negative one more plane their signs. Planes
// of a step are stacked: row r of plane p is row p*rows + r of a spike view, and in the packed row
// of a trace neuron n of plane p is bit p*neurons + n.

#include <bit>
#include <cstdint>
#include <span>
#include <string>

#include "core/bit_packing.hpp"
#include "core/spike_tensor.hpp"

namespace spikeloom {

// What the values of an edge may be; it always contains 0. {0, 1} is what spikes are.
struct LevelRange {
  int64_t low = 0, high = 1;

  bool is_signed() const noexcept { return low < 0; }
  int64_t largest() const noexcept { return -low > high ? -low : high; }
  int64_t magnitudes() const noexcept { return std::bit_width(static_cast<uint64_t>(largest())); }
  int64_t planes() const noexcept { return magnitudes() + (is_signed() ? 1 : 0); }
  bool operator==(const LevelRange&) const = default;
};

std::string range_text(LevelRange range);  // "0 to 4"

// Whole numbers up to here are exact in fp32, sums of two of them as well.
constexpr int64_t kMostLevel = (int64_t{1} << 23) - 1;

// Rows of `channels` numbers, `stride` floats apart, into planes.planes() x rows rows of words,
// bits behind the channels zero. False where a number is outside the range or not whole; what the
// planes hold then means nothing. Allocates nothing, thread-safe.
bool pack_levels(const float* values, int64_t rows, int64_t channels, int64_t stride,
                 LevelRange range, uint64_t* planes) noexcept;

// Of one row of such planes, `rows` rows each: the magnitudes added up, and how many are not 0.
struct LevelCount {
  int64_t units = 0, nonzero = 0;
};
LevelCount count_levels(SpikeView planes, int64_t rows, int64_t row, LevelRange range) noexcept;
// The magnitudes of all rows added up.
int64_t count_units(SpikeView planes, LevelRange range) noexcept;

// The same as units of a packed row of a trace.
int64_t count_packed_levels(std::span<const uint8_t> packed, int64_t neurons,
                            LevelRange range) noexcept;

// The level of one neuron in a packed row.
inline int64_t packed_level(std::span<const uint8_t> packed, int64_t neurons, LevelRange range,
                            int64_t neuron) noexcept {
  const auto bit = [&](int64_t plane) {
    const int64_t at = plane * neurons + neuron;
    return int64_t{packed[static_cast<size_t>(at >> 3)]} >> (at & 7) & 1;
  };
  int64_t level = 0;
  for (int64_t plane = 0; plane < range.magnitudes(); ++plane) level |= bit(plane) << plane;
  return range.is_signed() && bit(range.magnitudes()) != 0 ? -level : level;
}

// Calls f(neuron, level) for every level that is not 0, of spikes 1; neurons ascending.
template <typename F>
void for_each_level(std::span<const uint8_t> packed, int64_t neurons, LevelRange range, F&& f) {
  if (range.planes() == 1)
    return for_each_packed(packed, [&](int64_t neuron) { f(neuron, int64_t{1}); });
  for (int64_t n = 0; n < neurons; ++n) {
    const int64_t level = packed_level(packed, neurons, range, n);
    if (level != 0) f(n, level);
  }
}

// The same of the planes of a step.
template <typename F>
void for_each_level(SpikeView planes, LevelRange range, F&& f) {
  const int64_t rows = planes.rows / range.planes(), magnitudes = range.magnitudes();
  for (int64_t row = 0; row < rows; ++row) {
    if (range.planes() == 1) {
      planes.for_each(row, [&](int64_t c) { f(row * planes.channels + c, int64_t{1}); });
      continue;
    }
    for (int64_t c = 0; c < planes.channels; ++c) {
      int64_t level = 0;
      for (int64_t plane = 0; plane < magnitudes; ++plane)
        level |= int64_t{planes.test(plane * rows + row, c)} << plane;
      if (level == 0) continue;
      const bool negative = range.is_signed() && planes.test(magnitudes * rows + row, c);
      f(row * planes.channels + c, negative ? -level : level);
    }
  }
}

}  // namespace spikeloom
