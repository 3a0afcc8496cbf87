#pragma once
// Dense sums of spikes and integer weights by looking them up. Six inputs of an output have 64 sums
// of subsets: a table of 16-bit numbers in two registers. The spikes of six inputs are an index,
// and one permutation looks up 32 rows at once: 192 products and sums. Plain intrinsics of AVX-512
// (BW, VBMI). Exact modulo 2^16, so equal to any other order where sums fit.
//
// Tables are 21 times as large as int8 weights: those of two outputs at a time are made, in the
// first cache, and serve a group of rows.
//
// Int: int8_t (paired, packed.hpp) or int16_t. Functions may be called only where has_tables().

#include <cstdint>

namespace spikeloom::cpu {

bool has_tables() noexcept;

constexpr int64_t kTableInputs = 6;    // of a table
constexpr int64_t kTableEntries = 64;  // 16-bit
constexpr int64_t kTableRows = 32;     // of a block: lanes of an index vector
constexpr int64_t kTableBlocks = 8;    // of a chunk, whose sums stay in registers
constexpr int64_t table_groups(int64_t channels) {
  return (channels + kTableInputs - 1) / kTableInputs;
}
// The index vectors of a chunk of rows are [index_vectors][kTableBlocks][kTableRows]: those of 64
// tables are made at a time.
constexpr int64_t index_vectors(int64_t channels) {
  return (table_groups(channels) + 63) / 64 * 64;
}

// The indices of up to kTableRows spike rows, a block of the chunk that `to` stands in. Bits 0 to 5
// count.
void make_indices(const uint64_t* const* rows, int64_t count, int64_t channels,
                  uint16_t* to) noexcept;

// Weights of outputs [first, first + outputs) (multiples of 32) of a weight tile whose rows are
// `row_width` apart, by output: `numbers_stride` apart, zeros behind the last channel.
constexpr int64_t numbers_stride(int64_t channels) {
  return (channels + 31) / 32 * 32 + 32;  // the last table may read beyond
}
template <typename Int>
void collect_numbers(const Int* weights, int64_t row_width, int64_t channels, int64_t first,
                     int64_t outputs, int16_t* to) noexcept;

// The tables of `groups` times six weights: [groups][kTableEntries].
void make_tables(const int16_t* numbers, int64_t groups, int16_t* to) noexcept;

// Adds, or if `first` sets, sums of two outputs over `groups` tables for the first `blocks` blocks
// of a chunk of rows: [blocks][kTableRows] each.
void add_tables(const int16_t* table_a, const int16_t* table_b, int64_t groups,
                const uint16_t* indices, int64_t blocks, bool first, int16_t* sums_a,
                int16_t* sums_b) noexcept;

// sums[row][output] (+)= 32 rows of 32 outputs; outputs are `stride` numbers apart in `from`, rows
// `row_floats` in `sums`.
void add_transposed(const int16_t* from, int64_t stride, bool first, int64_t row_floats,
                    float* sums) noexcept;

}  // namespace spikeloom::cpu
