// In place of sim/backends/cpu: whoever asks for the cpu backend gets the CUDA backend, so that tests
// of whole networks, written for the one, test the other.

#include "sim/backends/cpu/cpu.hpp"
#include "sim/backends/cuda/cuda.hpp"

namespace spikeloom {

std::shared_ptr<const Backend> make_cpu_backend(std::string_view, const SumChoice&) {
  static const auto backend = make_cuda_backend(0);
  return backend;
}

std::vector<std::string> cpu_simd_targets() {
  return {"cuda"};
}

}  // namespace spikeloom
