// The stand-in runtime under an object file that nvcc made.

#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmath>
#include <cstring>
#include <vector>

#include "tests/catch.hpp"
#include "tests/gpu/runtime/runtime_test.hpp"
#include "tests/gpu/runtime/state.hpp"

namespace spikeloom::standin {
namespace {

constexpr uint32_t kN = 300;

// A fresh context, as another process would have.
void renew(const std::string& config = "") {
  State& s = state();
  s.config = parse_config(config);
  s.sticky = cudaSuccess;
  s.calls.clear();
  static_cast<void>(cudaGetLastError());
}

struct Device {
  float *x = nullptr, *y = nullptr;
  cudaStream_t stream = nullptr;
  std::vector<float> host = std::vector<float>(kN, 2.0f);
  Device() {
    REQUIRE(cudaMalloc(reinterpret_cast<void**>(&x), kN * 4) == cudaSuccess);
    REQUIRE(cudaMalloc(reinterpret_cast<void**>(&y), kN * 4) == cudaSuccess);
    REQUIRE(cudaStreamCreateWithFlags(&stream, cudaStreamNonBlocking) == cudaSuccess);
    REQUIRE(cudaMemcpyAsync(x, host.data(), kN * 4, cudaMemcpyHostToDevice, stream) == cudaSuccess);
    REQUIRE(cudaMemsetAsync(y, 0, kN * 4, stream) == cudaSuccess);
  }
  ~Device() {
    renew();
    static_cast<void>(cudaStreamDestroy(stream));
    static_cast<void>(cudaFree(x));
    static_cast<void>(cudaFree(y));
  }
  std::vector<float> result() {
    std::vector<float> out(kN);
    REQUIRE(cudaMemcpyAsync(out.data(), y, kN * 4, cudaMemcpyDeviceToHost, stream) == cudaSuccess);
    REQUIRE(cudaStreamSynchronize(stream) == cudaSuccess);
    return out;
  }
};

TEST_CASE("kernels run when somebody waits for them") {
  renew();
  Device d;
  REQUIRE(launch_axpy(2, 256, 3.0f, d.x, d.y, kN, d.stream) == cudaSuccess);
  REQUIRE(launch_axpy_chevrons(2, 256, 0.5f, d.x, d.y, kN, d.stream) == cudaSuccess);
  std::vector<float> early(kN, 1.0f);
  REQUIRE(cudaMemcpyAsync(early.data(), d.y, kN * 4, cudaMemcpyDeviceToHost, d.stream) ==
          cudaSuccess);
  const uint64_t launches = state().launches;
  CHECK(early[0] != 7.0f);
  CHECK(early[0] != 1.0f);  // junk until it is there
  d.host.assign(kN, 4.0f);  // sources are read late
  REQUIRE(cudaStreamSynchronize(d.stream) == cudaSuccess);
  CHECK(state().launches == launches + 2);
  CHECK(early == std::vector<float>(kN, 14.0f));
}

TEST_CASE("a target that is still to be read keeps what it holds") {
  renew();
  Device d;
  d.host.assign(kN, 5.0f);  // its copy to the device is queued
  REQUIRE(cudaMemcpyAsync(d.host.data(), d.y, kN * 4, cudaMemcpyDeviceToHost, d.stream) ==
          cudaSuccess);
  REQUIRE(launch_axpy(2, 256, 1.0f, d.x, d.y, kN, d.stream) == cudaSuccess);
  CHECK(d.result()[0] == 5.0f);
  CHECK(d.host[0] == 0.0f);
}

TEST_CASE("recorded work can be run again") {
  renew();
  Device d;
  REQUIRE(cudaStreamSynchronize(d.stream) == cudaSuccess);
  REQUIRE(cudaStreamBeginCapture(d.stream, cudaStreamCaptureModeThreadLocal) == cudaSuccess);
  REQUIRE(launch_axpy(2, 256, 1.0f, d.x, d.y, kN, d.stream) == cudaSuccess);
  cudaGraph_t graph = nullptr;
  cudaGraphExec_t exec = nullptr;
  REQUIRE(cudaStreamEndCapture(d.stream, &graph) == cudaSuccess);
  REQUIRE(cudaGraphInstantiate(&exec, graph, 0) == cudaSuccess);
  REQUIRE(cudaGraphDestroy(graph) == cudaSuccess);
  CHECK(d.result()[0] == 0.0f);  // recording runs nothing
  for (int i = 0; i < 3; ++i) REQUIRE(cudaGraphLaunch(exec, d.stream) == cudaSuccess);
  CHECK(d.result()[kN - 1] == 6.0f);
  REQUIRE(cudaGraphExecDestroy(exec) == cudaSuccess);
  // What may not be done while recording.
  REQUIRE(cudaStreamBeginCapture(d.stream, cudaStreamCaptureModeThreadLocal) == cudaSuccess);
  void* memory = nullptr;
  CHECK(cudaMalloc(&memory, 4) == cudaErrorStreamCaptureUnsupported);
  CHECK(cudaStreamSynchronize(d.stream) == cudaErrorStreamCaptureUnsupported);
  CHECK(cudaStreamEndCapture(d.stream, &graph) == cudaErrorStreamCaptureInvalidated);
}

TEST_CASE("streams wait for each other through events only") {
  renew();
  Device d;
  cudaStream_t other = nullptr;
  cudaEvent_t event = nullptr;
  REQUIRE(cudaStreamCreateWithFlags(&other, cudaStreamNonBlocking) == cudaSuccess);
  REQUIRE(cudaEventCreateWithFlags(&event, cudaEventDisableTiming) == cudaSuccess);
  REQUIRE(launch_axpy(2, 256, 1.0f, d.x, d.y, kN, d.stream) == cudaSuccess);
  REQUIRE(cudaEventRecord(event, d.stream) == cudaSuccess);
  REQUIRE(launch_axpy(2, 256, 1.0f, d.x, d.y, kN, d.stream) == cudaSuccess);
  REQUIRE(cudaStreamWaitEvent(other, event, 0) == cudaSuccess);
  std::vector<float> out(kN);
  REQUIRE(cudaMemcpyAsync(out.data(), d.y, kN * 4, cudaMemcpyDeviceToHost, other) == cudaSuccess);
  REQUIRE(cudaStreamSynchronize(other) == cudaSuccess);
  CHECK(out[0] == 2.0f);  // the second kernel has not run
  CHECK(d.result()[0] == 4.0f);
  REQUIRE(cudaEventDestroy(event) == cudaSuccess);
  REQUIRE(cudaStreamDestroy(other) == cudaSuccess);
}

TEST_CASE("faults of kernels break the context") {
  renew();
  Device d;
  REQUIRE(launch_axpy(2, 256, 1.0f, d.x, d.y, kN + 1, d.stream) == cudaSuccess);
  CHECK(cudaStreamSynchronize(d.stream) == cudaErrorIllegalAddress);
  CHECK(cudaStreamSynchronize(d.stream) == cudaErrorIllegalAddress);  // for ever
  CHECK(cudaGetLastError() == cudaErrorIllegalAddress);
}

TEST_CASE("faults of the host") {
  renew();
  Device d;
  std::vector<float> big(2 * kN);
  CHECK(cudaMemcpyAsync(d.x, big.data(), big.size() * 4, cudaMemcpyHostToDevice, d.stream) ==
        cudaErrorInvalidValue);
  CHECK(cudaMemcpyAsync(big.data(), d.x, kN * 4, cudaMemcpyHostToDevice, d.stream) ==
        cudaErrorInvalidValue);
  CHECK(cudaFree(big.data()) == cudaErrorInvalidValue);
  CHECK(launch_axpy(2, 512, 1.0f, d.x, d.y, kN, d.stream) == cudaErrorLaunchOutOfResources);
  CHECK(launch_axpy(0, 256, 1.0f, d.x, d.y, kN, d.stream) == cudaErrorInvalidConfiguration);
  // A device address on the host.
  const pid_t child = fork();
  if (child == 0) {
    signal(SIGSEGV, SIG_DFL);
    volatile float* const address = d.x;
    _exit(*address == 0.0f ? 0 : 1);
  }
  int status = 0;
  REQUIRE(waitpid(child, &status, 0) == child);
  CHECK((WIFSIGNALED(status) && WTERMSIG(status) == SIGSEGV));
}

TEST_CASE("unwritten and freed device memory") {
  renew();
  float* fresh = nullptr;
  REQUIRE(cudaMalloc(reinterpret_cast<void**>(&fresh), kN * 4) == cudaSuccess);
  {
    Device d;
    REQUIRE(launch_axpy(2, 256, 1.0f, fresh, d.y, kN, d.stream) == cudaSuccess);
    CHECK(cudaStreamSynchronize(d.stream) == cudaErrorLaunchFailure);
  }
  REQUIRE(cudaFree(fresh) == cudaSuccess);
  Device d;
  REQUIRE(launch_axpy(2, 256, 1.0f, fresh, d.y, kN, d.stream) == cudaSuccess);
  CHECK(cudaStreamSynchronize(d.stream) == cudaErrorIllegalAddress);
}

TEST_CASE("failures on demand") {
  int count = 77, version = -1;
  renew("driver=0");
  CHECK(cudaGetDeviceCount(&count) == cudaErrorInsufficientDriver);
  CHECK(count == 77);
  CHECK(cudaDriverGetVersion(&version) == cudaSuccess);
  CHECK(version == 0);
  renew("driver=12040");
  CHECK(cudaGetDeviceCount(&count) == cudaErrorInsufficientDriver);
  renew("devices=0");
  CHECK(cudaGetDeviceCount(&count) == cudaErrorNoDevice);
  renew("devices=2");
  CHECK(cudaGetDeviceCount(&count) == cudaSuccess);
  CHECK(count == 2);
  CHECK(cudaSetDevice(1) == cudaSuccess);
  CHECK(cudaSetDevice(2) == cudaErrorInvalidDevice);
  void *a = nullptr, *b = nullptr;
  renew("fail=cudaMalloc:2:2,fail=cudaMallocHost:1:999");
  CHECK(cudaMalloc(&a, 64) == cudaSuccess);
  CHECK(cudaMalloc(&b, 64) == cudaErrorMemoryAllocation);
  CHECK(cudaMallocHost(&b, 64) == cudaErrorUnknown);
  CHECK(cudaMalloc(&b, 64) == cudaSuccess);
  CHECK(cudaFree(a) == cudaSuccess);
  CHECK(cudaFree(b) == cudaSuccess);
  renew("memory=1000");
  size_t free = 0, total = 0;
  CHECK(cudaMalloc(&a, 600) == cudaSuccess);
  CHECK(cudaMemGetInfo(&free, &total) == cudaSuccess);
  CHECK((free == 400 && total == 1000));
  CHECK(cudaMalloc(&b, 600) == cudaErrorMemoryAllocation);
  CHECK(cudaFree(a) == cudaSuccess);
  renew("capability=7.0");
  Device d;
  CHECK(launch_axpy(1, 32, 1.0f, d.x, d.y, 1, d.stream) == cudaErrorNoKernelImageForDevice);
  CHECK_THROWS_AS(parse_config("driver=13000,nonsense=1"), std::invalid_argument);
  CHECK_THROWS_AS(parse_config("fail=cudaMalloc"), std::invalid_argument);
}

}  // namespace
}  // namespace spikeloom::standin
