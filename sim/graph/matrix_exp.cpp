#include "sim/graph/matrix_exp.hpp"

#include <array>
#include <cmath>
#include <utility>

namespace spikeloom {
namespace {

constexpr int kDegree = 13;
constexpr double kLargestNorm = 4;  // Higham's bound for degree 13 is 5.37

// x with p x = q, by Gaussian elimination with partial pivoting; p and q are used up.
RowMatrix solve(RowMatrix p, RowMatrix q) {
  const Eigen::Index n = p.rows();
  for (Eigen::Index k = 0; k < n; ++k) {
    Eigen::Index pivot = k;
    for (Eigen::Index i = k + 1; i < n; ++i) {
      if (std::abs(p(i, k)) > std::abs(p(pivot, k))) pivot = i;
    }
    p.row(k).swap(p.row(pivot));
    q.row(k).swap(q.row(pivot));
    for (Eigen::Index i = k + 1; i < n; ++i) {
      const double factor = p(i, k) / p(k, k);
      if (factor == 0) continue;
      p.row(i).tail(n - k) -= factor * p.row(k).tail(n - k);
      q.row(i) -= factor * q.row(k);
    }
  }
  for (Eigen::Index k = n - 1; k >= 0; --k) {
    for (Eigen::Index i = k + 1; i < n; ++i) q.row(k) -= p(k, i) * q.row(i);
    q.row(k) /= p(k, k);
  }
  return q;
}

std::array<double, kDegree + 1> pade_coefficients() {
  std::array<double, kDegree + 1> c{1};
  for (int k = 1; k <= kDegree; ++k)
    c[static_cast<size_t>(k)] =
        c[static_cast<size_t>(k - 1)] * (kDegree - k + 1) / (k * (2 * kDegree - k + 1));
  return c;
}

}  // namespace

RowMatrix matrix_exp(const RowMatrix& a) {
  int squarings = 0;
  double norm = a.cwiseAbs().colwise().sum().maxCoeff();
  while (norm > kLargestNorm) {
    norm /= 2;
    ++squarings;
  }
  const RowMatrix x = a * std::ldexp(1.0, -squarings);
  const auto c = pade_coefficients();
  const RowMatrix one = RowMatrix::Identity(a.rows(), a.cols());
  const RowMatrix x2 = ordered_product(x, x), x4 = ordered_product(x2, x2),
                  x6 = ordered_product(x4, x2);
  const RowMatrix odd =
      ordered_product(x, ordered_product(x6, c[13] * x6 + c[11] * x4 + c[9] * x2) + c[7] * x6 +
                             c[5] * x4 + c[3] * x2 + c[1] * one);
  const RowMatrix even = ordered_product(x6, c[12] * x6 + c[10] * x4 + c[8] * x2) + c[6] * x6 +
                         c[4] * x4 + c[2] * x2 + c[0] * one;
  RowMatrix result = solve(even - odd, even + odd);
  for (int i = 0; i < squarings; ++i) result = ordered_product(result, result);
  return result;
}

}  // namespace spikeloom
