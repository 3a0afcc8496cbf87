#include "sim/graph/ordered_product.hpp"

#include <algorithm>
#include <cstring>
#include <utility>
#include <vector>

namespace spikeloom {
namespace {

// Columns of a panel are two vectors of the machine's own width, for each of which so many rows
// share a pass: 12 sums, which with the operands fill 16 registers. Wider vectors than the machine
// has end up in memory.
constexpr int64_t kRows = 6;
constexpr int64_t kWidest = 16;  // columns of a panel

template <size_t doubles>
struct Vector {
  using Lanes [[gnu::vector_size(doubles * sizeof(double))]] = double;
  static constexpr int64_t kColumns = 2 * doubles;
};

// Rows of a result, one panel wide.
struct Block {
  const double* a = nullptr;      // first row
  const double* panel = nullptr;  // [inner][columns of a panel]
  double* result = nullptr;
  int64_t inner = 0, stride = 0, columns = 0;  // columns that are there
};

// Unrolled by hand, sums copied out whole: they stay in registers under any optimisation.
template <typename V, size_t... row>
[[gnu::always_inline]] inline void sum_block(const Block& block, std::index_sequence<row...>) {
  using Lanes = typename V::Lanes;
  constexpr int64_t kColumns = V::kColumns;
  Lanes low[sizeof...(row)] = {}, high[sizeof...(row)] = {};
  const double* a[] = {block.a + static_cast<int64_t>(row) * block.inner...};
  const double* panel = block.panel;
  for (int64_t k = 0; k < block.inner; ++k, panel += kColumns) {
    Lanes left, right;
    std::memcpy(&left, panel, sizeof left);
    std::memcpy(&right, panel + kColumns / 2, sizeof right);
    ((low[row] += a[row][k] * left, high[row] += a[row][k] * right), ...);
  }
  const auto store = [&](const Lanes first, const Lanes second, double* to) {
    double sums[kColumns];
    std::memcpy(sums, &first, sizeof first);
    std::memcpy(sums + kColumns / 2, &second, sizeof second);
    std::copy_n(sums, block.columns, to);
  };
  (store(low[row], high[row], block.result + static_cast<int64_t>(row) * block.stride), ...);
}

template <typename V, size_t rows>
[[gnu::always_inline]] inline void sum_panels(const ProductShape& shape, int64_t row,
                                              const double* a, const double* panels,
                                              double* result) {
  for (int64_t first = 0; first < shape.columns; first += V::kColumns) {
    sum_block<V>(
        {a + row * shape.inner, panels + first * shape.inner, result + row * shape.stride + first,
         shape.inner, shape.stride, std::min(V::kColumns, shape.columns - first)},
        std::make_index_sequence<rows>());
  }
}

// Panels hold zeros where b has no column.
template <typename V>
[[gnu::always_inline]] inline void multiply(const ProductShape& shape, const double* a,
                                            const double* b, double* result, double* panels) {
  for (int64_t first = 0; first < shape.columns; first += V::kColumns) {
    const int64_t width = std::min(V::kColumns, shape.columns - first);
    double* panel = panels + first * shape.inner;
    for (int64_t k = 0; k < shape.inner; ++k, panel += V::kColumns) {
      std::copy_n(b + k * shape.stride + first, width, panel);
      std::fill(panel + width, panel + V::kColumns, 0.0);
    }
  }
  int64_t row = 0;
  for (; row + kRows <= shape.rows; row += kRows)
    sum_panels<V, kRows>(shape, row, a, panels, result);
  for (; row < shape.rows; ++row) sum_panels<V, 1>(shape, row, a, panels, result);
}

void multiply_plain(const ProductShape& shape, const double* a, const double* b, double* result,
                    double* panels) {
  multiply<Vector<2>>(shape, a, b, result, panels);
}

#if defined(__x86_64__)
[[gnu::target("avx2")]] void multiply_avx2(const ProductShape& shape, const double* a,
                                           const double* b, double* result, double* panels) {
  multiply<Vector<4>>(shape, a, b, result, panels);
}
[[gnu::target("avx512f")]] void multiply_avx512(const ProductShape& shape, const double* a,
                                                const double* b, double* result, double* panels) {
  multiply<Vector<8>>(shape, a, b, result, panels);
}
#endif

auto fastest() {
#if defined(__x86_64__)
  if (__builtin_cpu_supports("avx512f")) return &multiply_avx512;
  if (__builtin_cpu_supports("avx2")) return &multiply_avx2;
#endif
  return &multiply_plain;
}

}  // namespace

size_t product_room(int64_t inner, int64_t columns) noexcept {
  return static_cast<size_t>((columns + kWidest - 1) / kWidest * kWidest * inner);
}

void ordered_product(const ProductShape& shape, const double* a, const double* b, double* result,
                     double* panels) noexcept {
  fastest()(shape, a, b, result, panels);
}

RowMatrix ordered_product(const RowMatrix& a, const RowMatrix& b) {
  const int64_t inner = a.cols(), columns = b.cols();
  RowMatrix result = RowMatrix::Zero(a.rows(), columns);
  if (a.rows() < kRows) {  // panels would take longer to make than to read once
    for (int64_t k = 0; k < inner; ++k) {
      for (int64_t i = 0; i < a.rows(); ++i) result.row(i) += a(i, k) * b.row(k);
    }
    return result;
  }
  constexpr int64_t kBlock = 64;  // columns whose panels stay in the second cache
  std::vector<double> panels(product_room(inner, std::min(kBlock, columns)));
  for (int64_t first = 0; first < columns; first += kBlock) {
    ordered_product({a.rows(), inner, std::min(kBlock, columns - first), columns}, a.data(),
                    b.data() + first, result.data() + first, panels.data());
  }
  return result;
}

}  // namespace spikeloom
