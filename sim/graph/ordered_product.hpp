#pragma once
// Products of matrices whose sums have one written order: a library's product sums in blocks of
// the machine's cache size, and the last bits of a network's weights would follow the machine.

#include <Eigen/Core>

namespace spikeloom {

using RowMatrix = Eigen::Matrix<double, Eigen::Dynamic, Eigen::Dynamic, Eigen::RowMajor>;

// a * b; each element sums rounded products in ascending order of the inner index from 0. The bits
// depend neither on the threads nor on the instructions the machine has.
RowMatrix ordered_product(const RowMatrix& a, const RowMatrix& b, int threads = 1);

}  // namespace spikeloom
