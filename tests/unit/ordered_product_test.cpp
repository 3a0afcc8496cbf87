#include "sim/graph/ordered_product.hpp"

#include <array>
#include <vector>

#include "core/rng.hpp"
#include "tests/catch.hpp"

using namespace spikeloom;

namespace {

RowMatrix random_matrix(int64_t rows, int64_t columns, uint64_t seed) {
  RowMatrix matrix(rows, columns);
  for (int64_t i = 0; i < matrix.size(); ++i) {
    matrix.data()[i] =
        2.1 * static_cast<double>(random_uniform(seed, 0, static_cast<uint64_t>(i))) - 1;
  }
  return matrix;
}

}  // namespace

TEST_CASE("ordered products sum in one order, whatever the shape") {
  for (const auto& [rows, inner, columns] : {std::array{1, 1, 1},
                                             {1, 300, 17},
                                             {5, 7, 8},
                                             {6, 33, 9},
                                             {13, 64, 40},
                                             {64, 129, 31},
                                             {0, 3, 4},
                                             {7, 0, 3},
                                             {7, 3, 0}}) {
    INFO(rows << " x " << inner << " x " << columns);
    const RowMatrix a = random_matrix(rows, inner, 1), b = random_matrix(inner, columns, 2);
    RowMatrix expected(rows, columns);
    for (int64_t i = 0; i < rows; ++i) {
      for (int64_t j = 0; j < columns; ++j) {
        double sum = 0;
        for (int64_t k = 0; k < inner; ++k) {
          const double product = a(i, k) * b(k, j);
          sum += product;
        }
        expected(i, j) = sum;
      }
    }
    CHECK(ordered_product(a, b) == expected);
    // Into a part of a wider result, from a part of wider rows.
    constexpr int64_t kBeside = 3;
    RowMatrix wide = RowMatrix::Zero(inner, columns + kBeside),
              result = RowMatrix::Constant(rows, columns + kBeside, 7);
    wide.leftCols(columns) = b;
    std::vector<double> panels(product_room(inner, columns));
    ordered_product({rows, inner, columns, columns + kBeside}, a.data(), wide.data(), result.data(),
                    panels.data());
    CHECK(result.leftCols(columns) == expected);
    CHECK((result.rightCols(kBeside).array() == 7).all());
  }
}
