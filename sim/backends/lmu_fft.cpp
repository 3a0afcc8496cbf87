#include "sim/backends/lmu_fft.hpp"

#include <algorithm>
#include <unsupported/Eigen/FFT>

namespace spikeloom {

LmuFft::LmuFft(const LmuSystem& system, int64_t steps) : order_(system.order), steps_(steps) {
  Eigen::FFT<double> fft;
  std::vector<double> row(static_cast<size_t>(2 * steps));
  for (int64_t i = 0; i < order_; ++i) {
    for (int64_t k = 0; k < std::min(steps, system.taps); ++k)
      row[static_cast<size_t>(k)] = system.h[static_cast<size_t>(k * order_ + i)];
    fft.fwd(spectra_.emplace_back(), row);
  }
}

void LmuFft::run(const float* u, float* out, int64_t out_stride) const {
  Eigen::FFT<double> fft;
  std::vector<double> padded_u(static_cast<size_t>(2 * steps_)), m;
  std::copy_n(u, steps_, padded_u.begin());
  std::vector<std::complex<double>> spectrum, product;
  fft.fwd(spectrum, padded_u);
  for (int64_t i = 0; i < order_; ++i) {
    product = spectra_[static_cast<size_t>(i)];
    for (size_t f = 0; f < product.size(); ++f) product[f] *= spectrum[f];
    fft.inv(m, product);
    for (int64_t t = 0; t < steps_; ++t)
      out[t * out_stride + i] = static_cast<float>(m[static_cast<size_t>(t)]);
  }
}

}  // namespace spikeloom
