#include "tests/gpu/runtime/runtime_test.hpp"

namespace spikeloom::standin {

struct Axpy {
  float a;
  const float* x;
  float* y;
  uint32_t n;
};

template <class P>
__global__ __launch_bounds__(256) void axpy(const __grid_constant__ P p) {
  const uint32_t i = blockIdx.x * blockDim.x + threadIdx.x;
  if (i < p.n) p.y[i] = p.a * p.x[i] + p.y[i];
}

cudaError_t launch_axpy(unsigned blocks, unsigned threads, float a, const float* x, float* y, uint32_t n, cudaStream_t stream) {
  Axpy p{a, x, y, n};
  void* args[] = {&p};
  return cudaLaunchKernel(reinterpret_cast<const void*>(&axpy<Axpy>), dim3(blocks), dim3(threads), args, 0, stream);
}

cudaError_t launch_axpy_chevrons(unsigned blocks, unsigned threads, float a, const float* x, float* y, uint32_t n, cudaStream_t stream) {
  axpy<<<blocks, threads, 0, stream>>>(Axpy{a, x, y, n});
  return cudaGetLastError();
}

}  // namespace spikeloom::standin
