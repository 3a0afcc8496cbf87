#pragma once
// exp of a square matrix: Pade approximant of degree 13 with scaling and squaring (Higham, SIAM J.
// Matrix Anal. 26, 2005). Every sum is written out here, in one order: a library's product sums in
// blocks of the machine's cache size, and the last bits of a network's memory would follow the
// machine.

#include <Eigen/Core>

namespace spikeloom {

using RowMatrix = Eigen::Matrix<double, Eigen::Dynamic, Eigen::Dynamic, Eigen::RowMajor>;

// a * b; each element sums in ascending order of the inner index from 0.
RowMatrix ordered_product(const RowMatrix& a, const RowMatrix& b);

RowMatrix matrix_exp(const RowMatrix& a);

}  // namespace spikeloom
