#pragma once
// Dense sums of spikes and integer weights by looking them up. Six inputs of an output have 64 sums
// of subsets: a table of 16-bit numbers in two registers. The spikes of six inputs are an index,
// and one permutation looks up 32 rows at once: 192 products and sums. Plain intrinsics of AVX-512
// (BW, VBMI). Exact modulo 2^16, so equal to any other order where sums fit.
//
// Tables are 21 times as large as int8 weights: those of a few outputs at a time are made from the
// layout of the event kernel, for a group of a thousand rows.
//
// Int: int8_t (paired, packed.hpp) or int16_t. Functions may be called only where has_tables().

#include <cstdint>

namespace spikeloom::cpu {

bool has_tables() noexcept;

constexpr int64_t kTableInputs = 6;    // of a table
constexpr int64_t kTableEntries = 64;  // 16-bit
constexpr int64_t kTableRows = 32;     // of a block: lanes of an index vector
constexpr int64_t table_groups(int64_t channels) {
  return (channels + kTableInputs - 1) / kTableInputs;
}
// Index vectors of a block of rows: those of 64 tables are made at a time.
constexpr int64_t index_vectors(int64_t channels) {
  return (table_groups(channels) + 63) / 64 * 64;
}

// The indices of up to kTableRows spike rows: [index_vectors][kTableRows], of which bits 0 to 5
// count.
void make_indices(const uint64_t* const* rows, int64_t count, int64_t channels,
                  uint16_t* to) noexcept;

// The tables of outputs [first, first + outputs) (multiples of 32) of a weight tile whose rows are
// `row_width` apart: [outputs][table_groups][kTableEntries]. `numbers`: room for outputs *
// (channels
// + 64) weights.
template <typename Int>
void make_tables(const Int* weights, int64_t row_width, int64_t channels, int64_t first,
                 int64_t outputs, int16_t* numbers, int16_t* to) noexcept;

// Sums of two outputs over `groups` tables for `blocks` blocks of rows: [blocks][kTableRows] each.
// Tables follow each other, as do the index vectors of a block; blocks are `stride` numbers apart.
void add_tables(const int16_t* table_a, const int16_t* table_b, int64_t groups,
                const uint16_t* indices, int64_t stride, int64_t blocks, int16_t* sums_a,
                int16_t* sums_b) noexcept;

// sums[row][output] (+)= 32 rows of 32 outputs; outputs are `stride` numbers apart in `from`, rows
// `row_floats` in `sums`.
void add_transposed(const int16_t* from, int64_t stride, bool first, int64_t row_floats,
                    float* sums) noexcept;

}  // namespace spikeloom::cpu
