#include "sim/backends/lmu_fft.hpp"

#include <algorithm>
#include <unsupported/Eigen/FFT>

namespace spikeloom {
namespace {

// Eigen's transform keeps tables and buffers of each length it has met in either direction.
struct FftWorkspace final : LmuFft::Workspace {
  explicit FftWorkspace(int64_t steps) {
    input.resize(static_cast<size_t>(2 * steps));
    fft.fwd(spectrum, input);
    product = spectrum;
    fft.inv(memory, product);
  }

  Eigen::FFT<double> fft;
  std::vector<double> memory;
  std::vector<std::complex<double>> spectrum, product;
};

}  // namespace

LmuFft::LmuFft(const LmuSystem& system, int64_t steps) : order_(system.order), steps_(steps) {
  Eigen::FFT<double> fft;
  std::vector<double> row(static_cast<size_t>(2 * steps));
  for (int64_t i = 0; i < order_; ++i) {
    for (int64_t k = 0; k < std::min(steps, system.taps); ++k)
      row[static_cast<size_t>(k)] = system.h[static_cast<size_t>(k * order_ + i)];
    fft.fwd(spectra_.emplace_back(), row);
  }
}

std::shared_ptr<LmuFft::Workspace> LmuFft::workspace() const {
  return std::make_shared<FftWorkspace>(steps_);
}

void LmuFft::run(Workspace& workspace, float* out, int64_t out_stride) const noexcept {
  auto& w = static_cast<FftWorkspace&>(workspace);
  w.fft.fwd(w.spectrum, w.input);
  for (int64_t i = 0; i < order_; ++i) {
    const auto& row = spectra_[static_cast<size_t>(i)];
    for (size_t f = 0; f < row.size(); ++f) w.product[f] = row[f] * w.spectrum[f];
    w.fft.inv(w.memory, w.product);
    for (int64_t t = 0; t < steps_; ++t)
      out[t * out_stride + i] = static_cast<float>(w.memory[static_cast<size_t>(t)]);
  }
}

}  // namespace spikeloom
