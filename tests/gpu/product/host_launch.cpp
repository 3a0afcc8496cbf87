#include "tests/gpu/product/host_launch.hpp"

namespace spikeloom::cuda {

simt::Options& launch_options() {
  static simt::Options options;
  return options;
}

#define SPIKELOOM_ON_FIBERS(...) \
  template void launch<__VA_ARGS__>(Queue&, int64_t, int, const __VA_ARGS__::Params&) noexcept;
SPIKELOOM_CUDA_ELEMENTWISE(SPIKELOOM_ON_FIBERS)
SPIKELOOM_CUDA_SUMS(SPIKELOOM_ON_FIBERS)
SPIKELOOM_CUDA_SEQUENCE(SPIKELOOM_ON_FIBERS)
SPIKELOOM_CUDA_DOUBLES(SPIKELOOM_ON_FIBERS)

void launch_neurons(size_t model, Queue& queue, int64_t blocks, int threads,
                    const NeuronParams& params) noexcept {
  launch_neurons_of(models::NeuronModels{}, model, queue, blocks, threads, params);
}

}  // namespace spikeloom::cuda
