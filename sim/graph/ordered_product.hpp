#pragma once
// Products of matrices whose sums have one written order: a library's product sums in blocks of
// the machine's cache size, and the last bits of a network's weights would follow the machine.

#include <Eigen/Core>
#include <cstddef>
#include <cstdint>

namespace spikeloom {

using RowMatrix = Eigen::Matrix<double, Eigen::Dynamic, Eigen::Dynamic, Eigen::RowMajor>;

// a * b; each element sums rounded products in ascending order of the inner index from 0. The bits
// do not depend on the instructions the machine has.
RowMatrix ordered_product(const RowMatrix& a, const RowMatrix& b);

// The same for few columns: a [rows][inner] without gaps, b and result with rows `stride` doubles
// apart. `panels` has room for product_room() doubles.
struct ProductShape {
  int64_t rows = 0, inner = 0, columns = 0;
  int64_t stride = 0;
};
size_t product_room(int64_t inner, int64_t columns) noexcept;
void ordered_product(const ProductShape& shape, const double* a, const double* b, double* result,
                     double* panels) noexcept;

}  // namespace spikeloom
