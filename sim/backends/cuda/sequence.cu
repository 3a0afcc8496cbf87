#include "sim/backends/cuda/launch.cuh"

namespace spikeloom::cuda {
SPIKELOOM_CUDA_SEQUENCE(SPIKELOOM_CUDA_LAUNCH)
}  // namespace spikeloom::cuda
