#include "sim/graph/ordered_product.hpp"

#include <algorithm>
#include <cstdint>
#include <cstring>
#include <utility>
#include <vector>

#include "core/parallel.hpp"

namespace spikeloom {
namespace {

// What the machine has no registers for, the compiler splits.
constexpr int64_t kColumns = 8;  // of a panel
using Lanes [[gnu::vector_size(kColumns * sizeof(double))]] = double;

constexpr int kRows = 6;  // that share a pass over a panel: as many sums as 16 registers hold

// Rows of a result, one panel wide.
struct Block {
  const double* a = nullptr;      // first row
  const double* panel = nullptr;  // [inner][kColumns]
  double* result = nullptr;
  int64_t inner = 0, stride = 0,
          columns = 0;  // of the result: floats per row, columns that are there
};

// Unrolled by hand: sums stay in registers under any optimisation.
template <size_t... row>
[[gnu::always_inline]] inline void sum_block(const Block& block, std::index_sequence<row...>) {
  Lanes sums[sizeof...(row)] = {};
  const double* a[] = {block.a + static_cast<int64_t>(row) * block.inner...};
  for (int64_t k = 0; k < block.inner; ++k) {
    Lanes b;
    std::memcpy(&b, block.panel + k * kColumns, sizeof b);
    ((sums[row] += a[row][k] * b), ...);
  }
  const auto bytes = static_cast<size_t>(block.columns) * sizeof(double);
  ((std::memcpy(block.result + static_cast<int64_t>(row) * block.stride, &sums[row], bytes)), ...);
}

[[gnu::always_inline]] inline void sum_rows(Block block, int64_t rows) {
  for (; rows >= kRows; rows -= kRows) {
    sum_block(block, std::make_index_sequence<kRows>());
    block.a += kRows * block.inner;
    block.result += kRows * block.stride;
  }
  for (; rows > 0; --rows) {
    sum_block(block, std::index_sequence<0>());
    block.a += block.inner;
    block.result += block.stride;
  }
}

void sum_rows_plain(const Block& block, int64_t rows) {
  sum_rows(block, rows);
}

#if defined(__x86_64__)
[[gnu::target("avx2")]] void sum_rows_avx2(const Block& block, int64_t rows) {
  sum_rows(block, rows);
}
[[gnu::target("avx512f")]] void sum_rows_avx512(const Block& block, int64_t rows) {
  sum_rows(block, rows);
}
#endif

auto fastest() {
#if defined(__x86_64__)
  if (__builtin_cpu_supports("avx512f")) return &sum_rows_avx512;
  if (__builtin_cpu_supports("avx2")) return &sum_rows_avx2;
#endif
  return &sum_rows_plain;
}

}  // namespace

RowMatrix ordered_product(const RowMatrix& a, const RowMatrix& b, int threads) {
  const int64_t inner = a.cols(), columns = b.cols();
  RowMatrix result = RowMatrix::Zero(a.rows(), columns);
  if (a.rows() < kRows) {  // panels would take longer to make than to read once
    for (int64_t k = 0; k < inner; ++k) {
      for (int64_t i = 0; i < a.rows(); ++i) result.row(i) += a(i, k) * b.row(k);
    }
    return result;
  }
  const auto run = fastest();
  // Panels hold zeros where b has no column.
  std::vector<double> panels(
      static_cast<size_t>((columns + kColumns - 1) / kColumns * kColumns * inner));
  parallel_for(columns, kColumns, threads, [&](int64_t begin, int64_t end) {
    for (int64_t first = begin; first < end; first += kColumns) {
      const int64_t width = std::min(kColumns, end - first);
      double* panel = panels.data() + first * inner;
      for (int64_t k = 0; k < inner; ++k) {
        std::copy_n(b.data() + k * columns + first, width, panel + k * kColumns);
      }
      run({a.data(), panel, result.data() + first, inner, columns, width}, a.rows());
    }
  });
  return result;
}

}  // namespace spikeloom
