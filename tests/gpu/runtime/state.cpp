#include "tests/gpu/runtime/state.hpp"

#include <cstdio>
#include <cstdlib>

namespace spikeloom::standin {
namespace {

thread_local cudaError_t last_error = cudaSuccess;

}  // namespace

State::State() {
  const char* const text = std::getenv("SPIKELOOM_STANDIN");
  try {
    config = parse_config(text == nullptr ? "" : text);
  } catch (const std::exception& error) {
    std::fprintf(stderr, "SPIKELOOM_STANDIN: %s\n", error.what());
    std::abort();
  }
  null_stream = new CUstream_st;
}

namespace {

void print_counts() {
  const State& s = state();
  if (!s.config.count) return;
  std::string text = "stand-in CUDA runtime: kernels=" + std::to_string(s.launches) +
                     " blocks=" + std::to_string(s.blocks) +
                     " instructions=" + std::to_string(s.interpreter.instructions());
  for (const auto& [call, number] : s.calls) text += " " + call + "=" + std::to_string(number);
  std::fprintf(stderr, "%s\n", text.c_str());
}

}  // namespace

// Never destroyed: other static objects may still hold memory of it.
State& state() {
  static State* const one = [] {
    std::atexit(print_counts);
    return new State;
  }();
  return *one;
}

cudaError_t give(cudaError_t error) {
  if (error != cudaSuccess) last_error = error;
  return error;
}

cudaError_t enter(const char* call) {
  State& s = state();
  const int64_t number = ++s.calls[call];
  for (const Failure& failure : s.config.failures)
    if (failure.call == call && failure.number == number)
      return give(static_cast<cudaError_t>(failure.code));
  if (s.config.driver < CUDART_VERSION / 1000 * 1000) return give(cudaErrorInsufficientDriver);
  if (s.config.devices == 0) return give(cudaErrorNoDevice);
  return s.sticky == cudaSuccess ? cudaSuccess : give(s.sticky);
}

cudaError_t break_context(cudaError_t error, const std::string& why) {
  State& s = state();
  std::fprintf(stderr, "stand-in CUDA runtime: %s\n", why.c_str());
  if (s.sticky == cudaSuccess) s.sticky = error;
  return give(error);
}

}  // namespace spikeloom::standin

using namespace spikeloom::standin;

extern "C" {

cudaError_t cudaGetLastError() {
  const cudaError_t error = last_error;
  last_error = cudaSuccess;
  return error;
}

cudaError_t cudaPeekAtLastError() {
  return last_error;
}

// As the real one: without a driver the count is left alone.
cudaError_t cudaGetDeviceCount(int* count) {
  const std::lock_guard lock(state().mutex);
  const cudaError_t error = enter("cudaGetDeviceCount");
  if (error == cudaErrorNoDevice) *count = 0;
  if (error == cudaSuccess) *count = state().config.devices;
  return error;
}

cudaError_t cudaDriverGetVersion(int* version) {
  const std::lock_guard lock(state().mutex);
  ++state().calls["cudaDriverGetVersion"];
  *version = state().config.driver;
  return cudaSuccess;
}

cudaError_t cudaRuntimeGetVersion(int* version) {
  *version = CUDART_VERSION;
  return cudaSuccess;
}

cudaError_t cudaSetDevice(int device) {
  const std::lock_guard lock(state().mutex);
  if (const cudaError_t error = enter("cudaSetDevice"); error != cudaSuccess) return error;
  return device >= 0 && device < state().config.devices ? cudaSuccess
                                                        : give(cudaErrorInvalidDevice);
}

cudaError_t cudaGetDevice(int* device) {
  const std::lock_guard lock(state().mutex);
  *device = 0;
  return enter("cudaGetDevice");
}

cudaError_t cudaGetDeviceProperties(cudaDeviceProp* properties, int device) {
  const std::lock_guard lock(state().mutex);
  if (const cudaError_t error = enter("cudaGetDeviceProperties"); error != cudaSuccess)
    return error;
  const Config& config = state().config;
  if (device < 0 || device >= config.devices) return give(cudaErrorInvalidDevice);
  *properties = cudaDeviceProp{};
  std::snprintf(properties->name, sizeof properties->name,
                "stand-in for a GPU, interpreted on a CPU");
  properties->major = config.major;
  properties->minor = config.minor;
  properties->totalGlobalMem = config.memory;
  properties->multiProcessorCount = 2;
  properties->warpSize = 32;
  properties->maxThreadsPerBlock = 1024;
  properties->maxThreadsPerMultiProcessor = 2048;
  properties->sharedMemPerBlock = 48 << 10;
  properties->regsPerBlock = 65536;
  properties->maxGridSize[0] = 0x7fffffff;
  return cudaSuccess;
}

cudaError_t cudaDeviceGetAttribute(int* value, cudaDeviceAttr attribute, int device) {
  const std::lock_guard lock(state().mutex);
  if (const cudaError_t error = enter("cudaDeviceGetAttribute"); error != cudaSuccess) return error;
  const Config& config = state().config;
  if (device < 0 || device >= config.devices) return give(cudaErrorInvalidDevice);
  switch (attribute) {
    case cudaDevAttrComputeCapabilityMajor: *value = config.major; return cudaSuccess;
    case cudaDevAttrComputeCapabilityMinor: *value = config.minor; return cudaSuccess;
    case cudaDevAttrMultiProcessorCount: *value = 2; return cudaSuccess;
    case cudaDevAttrWarpSize: *value = 32; return cudaSuccess;
    case cudaDevAttrMaxThreadsPerBlock: *value = 1024; return cudaSuccess;
    default: return give(cudaErrorInvalidValue);
  }
}

cudaError_t cudaDeviceSynchronize() {
  const std::lock_guard lock(state().mutex);
  if (const cudaError_t error = enter("cudaDeviceSynchronize"); error != cudaSuccess) return error;
  return give(drain_all());
}

struct ErrorText {
  cudaError_t error;
  const char *name, *text;
};
static const ErrorText kErrors[] = {
    {cudaSuccess, "cudaSuccess", "no error"},
    {cudaErrorInvalidValue, "cudaErrorInvalidValue", "invalid argument"},
    {cudaErrorMemoryAllocation, "cudaErrorMemoryAllocation", "out of memory"},
    {cudaErrorInsufficientDriver, "cudaErrorInsufficientDriver",
     "CUDA driver version is insufficient for CUDA runtime version"},
    {cudaErrorStubLibrary, "cudaErrorStubLibrary", "CUDA driver is a stub library"},
    {cudaErrorInvalidDeviceFunction, "cudaErrorInvalidDeviceFunction", "invalid device function"},
    {cudaErrorNoDevice, "cudaErrorNoDevice", "no CUDA-capable device is detected"},
    {cudaErrorInvalidDevice, "cudaErrorInvalidDevice", "invalid device ordinal"},
    {cudaErrorNoKernelImageForDevice, "cudaErrorNoKernelImageForDevice",
     "no kernel image is available for execution on the device"},
    {cudaErrorInvalidConfiguration, "cudaErrorInvalidConfiguration",
     "invalid configuration argument"},
    {cudaErrorInvalidResourceHandle, "cudaErrorInvalidResourceHandle", "invalid resource handle"},
    {cudaErrorIllegalAddress, "cudaErrorIllegalAddress",
     "an illegal memory access was encountered"},
    {cudaErrorMisalignedAddress, "cudaErrorMisalignedAddress", "misaligned address"},
    {cudaErrorLaunchFailure, "cudaErrorLaunchFailure", "unspecified launch failure"},
    {cudaErrorLaunchOutOfResources, "cudaErrorLaunchOutOfResources",
     "too many resources requested for launch"},
    {cudaErrorStreamCaptureUnsupported, "cudaErrorStreamCaptureUnsupported",
     "operation not permitted when stream is capturing"},
    {cudaErrorStreamCaptureInvalidated, "cudaErrorStreamCaptureInvalidated",
     "operation failed due to a previous error during capture"},
    {cudaErrorIllegalState, "cudaErrorIllegalState",
     "the operation cannot be performed in the present state"},
    {cudaErrorNotReady, "cudaErrorNotReady", "device not ready"},
    {cudaErrorUnknown, "cudaErrorUnknown", "unknown error"}};

const char* cudaGetErrorName(cudaError_t error) {
  for (const ErrorText& e : kErrors)
    if (e.error == error) return e.name;
  return "unrecognized error code";
}

const char* cudaGetErrorString(cudaError_t error) {
  for (const ErrorText& e : kErrors)
    if (e.error == error) return e.text;
  return "unrecognized error code";
}

}  // extern "C"
