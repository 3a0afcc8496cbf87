#pragma once
// What runtime_test.cu, compiled by nvcc, gives to runtime_test.cpp.

#include <cuda_runtime_api.h>

#include <cstdint>

namespace spikeloom::standin {

// y = a x + y for i < n, launched through cudaLaunchKernel and through <<<>>>.
cudaError_t launch_axpy(unsigned blocks, unsigned threads, float a, const float* x, float* y,
                        uint32_t n, cudaStream_t stream);
cudaError_t launch_axpy_chevrons(unsigned blocks, unsigned threads, float a, const float* x,
                                 float* y, uint32_t n, cudaStream_t stream);

}  // namespace spikeloom::standin
