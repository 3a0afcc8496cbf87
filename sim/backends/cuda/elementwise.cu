#include "sim/backends/cuda/launch.cuh"

namespace spikeloom::cuda {
SPIKELOOM_CUDA_ELEMENTWISE(SPIKELOOM_CUDA_LAUNCH)
}  // namespace spikeloom::cuda
