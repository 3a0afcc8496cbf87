#pragma once
// The device's definition of launch(); included by .cu files only.

#include "sim/backends/cuda/context.hpp"
#include "sim/backends/cuda/launch.hpp"
#include "sim/backends/cuda/runtime.hpp"

namespace spikeloom::cuda {

template <class K>
__global__ __launch_bounds__(K::max_threads, 2) void entry(const __grid_constant__
                                                        typename K::Params p) {
  DeviceContext c;
  K::run(c, p);
}

template <class K>
void launch(Queue& queue, int64_t blocks, int threads, const typename K::Params& params) noexcept {
  launch_entry(queue, reinterpret_cast<const void*>(&entry<K>), __PRETTY_FUNCTION__, blocks,
               threads, &params);
}

}  // namespace spikeloom::cuda

#define SPIKELOOM_CUDA_LAUNCH(...) \
  template void launch<__VA_ARGS__>(Queue&, int64_t, int, const __VA_ARGS__::Params&) noexcept;
