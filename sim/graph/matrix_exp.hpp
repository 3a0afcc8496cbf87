#pragma once
// exp of a square matrix: Pade approximant of degree 13 with scaling and squaring (Higham, SIAM J.
// Matrix Anal. 26, 2005). Every sum has one written order.

#include "sim/graph/ordered_product.hpp"

namespace spikeloom {

RowMatrix matrix_exp(const RowMatrix& a);

}  // namespace spikeloom
