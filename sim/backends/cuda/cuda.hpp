#pragma once
// The CUDA backend: a plan runs wholly on one NVIDIA device. The same orders of summation as the
// reference backend, so that spikes and values equal it bit for bit (softmax attention excepted:
// NMSE <= 1e-7). Where the program is built without CUDA there is no device.

#include <memory>
#include <string>
#include <vector>

#include "sim/backends/cuda/runtime.hpp"
#include "sim/graph/round_weights.hpp"
#include "sim/plan/backend.hpp"

namespace spikeloom {

struct CudaOptions {
  // Sums of these nodes stop at a largest magnitude, after every addition.
  AccumulatorLimits limits = {};
  bool graphs = true;        // repeated chunks are recorded once and replayed
  bool synchronous = false;  // waits behind every kernel, so that a failure names it
};

// Throws Error(kRuntime) saying why the device cannot be used.
std::shared_ptr<const Backend> make_cuda_backend(int device, const CudaOptions& options = {});

}  // namespace spikeloom
