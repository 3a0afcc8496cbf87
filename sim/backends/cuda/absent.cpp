// In place of everything else where the program is built without CUDA.

#include "core/error.hpp"
#include "sim/backends/cuda/cuda.hpp"

namespace spikeloom {
namespace cuda {

Devices find_devices() {
  return {{}, "built without CUDA"};
}

DeviceInfo open_device(int number) {
  throw Error(ErrorCode::kRuntime,
              "cuda:" + std::to_string(number) + ": this program is built without CUDA");
}

std::string toolkit_version() {
  return "";
}

}  // namespace cuda

std::shared_ptr<const Backend> make_cuda_backend(int device, const CudaOptions&) {
  cuda::open_device(device);
  return nullptr;
}

}  // namespace spikeloom
