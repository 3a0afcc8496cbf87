#pragma once
// The memory of a whole sequence by FFT (Eigen's): one implementation for every backend, so that
// they agree in bits; it agrees with the other forms within rounding.

#include <complex>
#include <memory>
#include <vector>

#include "sim/graph/lmu.hpp"

namespace spikeloom {

class LmuFft {
 public:
  // What one run works in; run() allocates nothing.
  struct Workspace {
    std::vector<double> input;  // [2 * steps], the second half 0
   protected:
    ~Workspace() = default;
  };

  // Transforms every row of H, cut to `steps` steps and to the system's taps.
  LmuFft(const LmuSystem& system, int64_t steps);
  // For one caller at a time.
  std::shared_ptr<Workspace> workspace() const;
  // workspace.input[0..steps) to m[t, i] at out + t * out_stride + i, in double, rounded once. The
  // workspace is one of this transform's.
  void run(Workspace& workspace, float* out, int64_t out_stride) const noexcept;

  int64_t steps() const noexcept { return steps_; }

 private:
  int64_t order_, steps_;
  std::vector<std::vector<std::complex<double>>> spectra_;  // of the rows of H
};

}  // namespace spikeloom
