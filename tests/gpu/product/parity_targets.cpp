// The kernels of the CUDA backend on fibers, in several orders of threads and blocks.

#include "sim/backends/cuda/cuda.hpp"
#include "tests/gpu/product/host_launch.hpp"
#include "tests/parity/parity_case.hpp"

namespace spikeloom {

std::vector<ParityTarget> parity_targets(bool) {
  static const auto backend = make_cuda_backend(0);
  return {{"kernels on fibers", backend, {3}}, {"kernels on fibers", backend, {1}}};
}

}  // namespace spikeloom
