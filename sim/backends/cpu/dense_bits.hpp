#pragma once
// Dense sums of spikes and integer weights: inputs as numbers 0 and 1, multiplied and added by the
// dot-product instructions of AVX-512 VNNI (vpdpbusd: 4 int8 per lane, vpdpwssd: 2 int16) in 32
// bits. Exact, so equal to any other order. Plain intrinsics: the Highway of Debian 12 has no such
// operation.
//
// Weights stay in the layout of the event kernel; a block of 64 outputs is repacked for each group
// of rows, which costs 3 to 5 % of the time of 200 rows and no memory.
//
// Int: int8_t or int16_t. Functions may be called only where has_dot_products().

#include <cstdint>

namespace spikeloom::cpu {

bool has_dot_products() noexcept;

constexpr int64_t kDotOutputs = 64;  // of a block
constexpr int64_t kDotRows = 6;      // that share a load of weights
// Inputs that one lane adds up at a time; each tap has a multiple of it, the rest zeros.
template <typename Int>
constexpr int64_t kDotInputs = 4 / static_cast<int64_t>(sizeof(Int));
template <typename Int>
constexpr int64_t dot_inputs(int64_t channels) {
  return (channels + kDotInputs<Int> - 1) / kDotInputs<Int> * kDotInputs<Int>;
}

// Channels of one spike row as numbers; writes zeros up to the next multiple of 64 of them.
template <typename Int>
void spread_bits(const uint64_t* row, int64_t channels, Int* to) noexcept;

// `channels` rows of weights, `row_width` apart, `outputs` (32 or 64) of each, into lanes:
// [dot_inputs / kDotInputs][outputs][kDotInputs]. Returns the end.
template <typename Int>
Int* pack_dots(const Int* weights, int64_t row_width, int64_t channels, int64_t outputs,
               Int* to) noexcept;

// Sums of kDotRows rows, kDotOutputs apart in `sums`: row r has its `inputs` numbers (a multiple of
// kDotInputs) from x + starts[r] on. `weights`: of pack_dots().
template <typename Int>
void dot_rows(const Int* x, const uint32_t* starts, int64_t inputs, const Int* weights,
              int64_t outputs, float* sums) noexcept;

}  // namespace spikeloom::cpu
