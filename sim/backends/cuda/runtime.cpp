#include "sim/backends/cuda/runtime.hpp"

#include <cuda_runtime_api.h>
#include <fmt/format.h>

#include <algorithm>
#include <cstring>
#include <limits>
#include <string_view>
#include <utility>

#include "core/error.hpp"
#include "core/tensor.hpp"
#include "sim/backends/cuda/launch.hpp"

namespace spikeloom::cuda {
namespace {

std::string version_text(int version) {
  return fmt::format("{}.{}", version / 1000, version % 1000 / 10);
}

std::string other_text(cudaError_t error) {
  return fmt::format("{}: {}", cudaGetErrorName(error), cudaGetErrorString(error));
}

// Why no device can be asked for, from the error of the count.
std::string reason_of(cudaError_t error) {
  int driver = 0;
  if (cudaDriverGetVersion(&driver) != cudaSuccess) driver = 0;
  switch (error) {
    case cudaErrorInsufficientDriver:
      if (driver == 0) return "there is no NVIDIA driver";
      return fmt::format("the NVIDIA driver supports CUDA {} only, {} is needed",
                         version_text(driver), toolkit_version());
    case cudaErrorNoDevice: return "there is a driver, but no NVIDIA device";
    case cudaErrorStubLibrary:
      return "the CUDA stub library stands in the search path before the driver's (libcuda.so.1)";
    default: return other_text(error);
  }
}

DeviceInfo info_of(int number) {
  cudaDeviceProp properties{};
  const cudaError_t error = cudaGetDeviceProperties(&properties, number);
  if (error != cudaSuccess)
    throw Error(ErrorCode::kRuntime, fmt::format("cuda:{}: {}", number, other_text(error)));
  return {number, properties.name, properties.major, properties.minor,
          static_cast<int64_t>(properties.totalGlobalMem)};
}

// Of a kernel its own name, which stands in that of the function that launched it.
std::string step_text(std::string_view what) {
  const size_t first = what.find("K = ");
  if (first == std::string_view::npos) return std::string(what);
  what.remove_prefix(first + 4);
  return "kernel " + std::string(what.substr(0, what.find_first_of(";]")));
}

}  // namespace

// A stream, what it failed at, and the chunks it recorded.
class Queue {
 public:
  Queue(int device, QueueOptions options) : device_(device), options_(options) {
    enter();
    check(cudaStreamCreateWithFlags(&stream_, cudaStreamNonBlocking), "a stream");
    done_ = device_memory(device, sizeof(int64_t));
    done_host_ = pinned_memory(device, sizeof(int64_t));
  }
  ~Queue() {
    enter();
    if (stream_ == nullptr) return;
    static_cast<void>(cudaStreamSynchronize(stream_));
    for (const Recorded& recorded : recorded_) {
      if (recorded.exec != nullptr) static_cast<void>(cudaGraphExecDestroy(recorded.exec));
    }
    static_cast<void>(cudaStreamDestroy(stream_));
  }
  Queue(const Queue&) = delete;

  void enter() noexcept { note(cudaSetDevice(device_), "cudaSetDevice"); }
  void note(cudaError_t error, const char* what) noexcept {
    if (error == cudaSuccess || error_ != cudaSuccess) return;
    error_ = error;
    what_ = what;
  }
  void check(cudaError_t error, const char* what) {
    note(error, what);
    fail();
  }
  void fail() const {
    if (error_ == cudaSuccess) return;
    throw Error(ErrorCode::kRuntime, fmt::format("cuda:{}: {} failed: {}", device_,
                                                 step_text(what_), other_text(error_)));
  }

  void copy(void* to, const void* from, int64_t bytes, cudaMemcpyKind kind) noexcept {
    if (bytes == 0 || error_ != cudaSuccess) return;
    enter();
    note(cudaMemcpyAsync(to, from, static_cast<size_t>(bytes), kind, stream_), "a copy");
  }
  void clear(void* to, int64_t bytes) noexcept {
    if (bytes == 0 || error_ != cudaSuccess) return;
    enter();
    note(cudaMemsetAsync(to, 0, static_cast<size_t>(bytes), stream_), "clearing memory");
  }
  // Overlapping copies have no order: they go through memory of their own.
  void move(void* to, const void* from, int64_t bytes) noexcept {
    const auto a = reinterpret_cast<uintptr_t>(to), b = reinterpret_cast<uintptr_t>(from);
    const auto size = static_cast<uintptr_t>(bytes);
    if (a + size <= b || b + size <= a) return copy(to, from, bytes, cudaMemcpyDeviceToDevice);
    if (bytes > scratch_bytes_) {
      try {
        finish();  // what is under way may use the old one
        scratch_ = device_memory(device_, bytes);
        scratch_bytes_ = bytes;
      } catch (const std::exception&) {
        return note(cudaErrorMemoryAllocation, "memory for a copy");
      }
    }
    copy(scratch_.get(), from, bytes, cudaMemcpyDeviceToDevice);
    copy(to, scratch_.get(), bytes, cudaMemcpyDeviceToDevice);
  }
  void launch(const void* entry, const char* name, int64_t blocks, int threads,
              const void* params) noexcept {
    if (blocks == 0 || error_ != cudaSuccess) return;
    enter();
    if (blocks > std::numeric_limits<int32_t>::max()) return note(cudaErrorInvalidValue, name);
    void* arguments[] = {const_cast<void*>(params)};
    note(cudaLaunchKernel(entry, dim3(static_cast<unsigned>(blocks)),
                          dim3(static_cast<unsigned>(threads)), arguments, 0, stream_),
         name);
    if (options_.synchronous && !recording_) note(cudaStreamSynchronize(stream_), name);
  }

  bool begin(int64_t steps_done, std::span<const int64_t> key) noexcept {
    now_ = steps_done;
    *reinterpret_cast<int64_t*>(done_host_.get()) = steps_done;
    copy(done_.get(), done_host_.get(), sizeof(int64_t), cudaMemcpyHostToDevice);
    if (!options_.graphs || options_.synchronous || key.empty() || error_ != cudaSuccess)
      return false;
    const auto found = std::find_if(recorded_.begin(), recorded_.end(), [&](const Recorded& r) {
      return std::equal(r.key.begin(), r.key.end(), key.begin(), key.end());
    });
    if (found == recorded_.end()) {
      if (recorded_.size() < kMostRecorded) recorded_.push_back({{key.begin(), key.end()}});
      return false;
    }
    if (found->exec == nullptr && !found->fails) {
      const cudaError_t error = cudaStreamBeginCapture(stream_, cudaStreamCaptureModeThreadLocal);
      if (error == cudaSuccess) recording_ = &*found;
      found->fails = error != cudaSuccess;
      return false;
    }
    if (found->exec == nullptr) return false;
    enter();
    note(cudaGraphLaunch(found->exec, stream_), "a recorded chunk");
    return true;
  }
  void end() noexcept {
    if (recording_ == nullptr) return;
    Recorded& recorded = *std::exchange(recording_, nullptr);
    cudaGraph_t graph = nullptr;
    cudaError_t error = cudaStreamEndCapture(stream_, &graph);
    if (error == cudaSuccess) error = cudaGraphInstantiate(&recorded.exec, graph, 0);
    if (graph != nullptr) static_cast<void>(cudaGraphDestroy(graph));
    // Nothing has run yet: what cannot be recorded is a failure here.
    note(error, "recording a chunk");
    if (error == cudaSuccess) note(cudaGraphLaunch(recorded.exec, stream_), "a recorded chunk");
  }
  void wait() noexcept {
    enter();
    note(cudaStreamSynchronize(stream_), "a kernel");
  }
  bool settle() noexcept {
    options_.graphs = false;
    wait();
    return error_ == cudaSuccess;
  }
  void finish() {
    wait();
    fail();
  }

  cudaError_t error() const noexcept { return error_; }
  const int64_t* done() const noexcept { return reinterpret_cast<const int64_t*>(done_.get()); }
  int64_t now() const noexcept { return now_; }

 private:
  struct Recorded {
    std::vector<int64_t> key;
    cudaGraphExec_t exec = nullptr;
    bool fails = false;
  };
  static constexpr size_t kMostRecorded = 64;

  int device_;
  QueueOptions options_;
  cudaStream_t stream_ = nullptr;
  cudaError_t error_ = cudaSuccess;
  const char* what_ = "";
  std::shared_ptr<std::byte> done_, done_host_, scratch_;
  int64_t scratch_bytes_ = 0, now_ = 0;
  std::vector<Recorded> recorded_;
  Recorded* recording_ = nullptr;
};

std::string toolkit_version() {
  return version_text(CUDART_VERSION);
}

Devices find_devices() {
  int count = 0;
  const cudaError_t error = cudaGetDeviceCount(&count);
  if (error != cudaSuccess) return {{}, reason_of(error)};
  Devices devices;
  if (count == 0) devices.reason = reason_of(cudaErrorNoDevice);
  for (int i = 0; i < count; ++i) {
    try {
      devices.found.push_back(info_of(i));
    } catch (const Error& fault) {  // others may be sound
      devices.reason = fault.what();
    }
  }
  return devices;
}

DeviceInfo open_device(int number) {
  const auto fail = [&](const std::string& reason) {
    throw Error(ErrorCode::kRuntime, fmt::format("cuda:{}: {}", number, reason));
  };
  int count = 0;
  const cudaError_t error = cudaGetDeviceCount(&count);
  if (error != cudaSuccess) fail(reason_of(error));
  if (count == 0) fail(reason_of(cudaErrorNoDevice));
  if (number >= count)
    fail(count == 1 ? "there is one device, cuda:0"
                    : fmt::format("there are {} devices, cuda:0 to cuda:{}", count, count - 1));
  const DeviceInfo info = info_of(number);
  const auto queue = make_queue(number, {.graphs = false});
  launch<Probe>(*queue, 1, Probe::max_threads, {});
  queue->wait();
  if (const cudaError_t missing = queue->error(); missing != cudaSuccess) {
    if (missing == cudaErrorNoKernelImageForDevice || missing == cudaErrorInvalidDeviceFunction)
      fail(fmt::format("this program has no code for compute capability {}.{} ({})", info.major,
                       info.minor, info.name));
    fail(other_text(missing));
  }
  return info;
}

std::shared_ptr<Queue> make_queue(int device, QueueOptions options) {
  return std::make_shared<Queue>(device, options);
}

std::shared_ptr<std::byte> device_memory(int device, int64_t bytes) {
  void* memory = nullptr;
  cudaError_t error = cudaSetDevice(device);
  const auto size = static_cast<size_t>(std::max<int64_t>(bytes, 4));
  if (error == cudaSuccess) error = cudaMalloc(&memory, size);
  if (error == cudaErrorMemoryAllocation) {
    static_cast<void>(cudaGetLastError());
    size_t free = 0, total = 0;
    static_cast<void>(cudaMemGetInfo(&free, &total));
    throw Error(ErrorCode::kRuntime,
                fmt::format("cuda:{}: out of memory: {} MiB more are needed, {} of {} MiB are free",
                            device, (size >> 20) + 1, free >> 20, total >> 20));
  }
  if (error == cudaSuccess) {
    std::shared_ptr<std::byte> result(static_cast<std::byte*>(memory), [device](std::byte* at) {
      static_cast<void>(cudaSetDevice(device));
      static_cast<void>(cudaFree(at));
    });
    error = cudaMemsetAsync(memory, 0, size, nullptr);
    // Queues do not wait for the stream of everybody.
    if (error == cudaSuccess) error = cudaStreamSynchronize(nullptr);
    if (error == cudaSuccess) return result;
  }
  throw Error(ErrorCode::kRuntime, fmt::format("cuda:{}: {}", device, other_text(error)));
}

std::shared_ptr<std::byte> pinned_memory(int device, int64_t bytes) {
  void* memory = nullptr;
  const auto size = static_cast<size_t>(std::max<int64_t>(bytes, 4));
  if (cudaSetDevice(device) == cudaSuccess && cudaMallocHost(&memory, size) == cudaSuccess) {
    std::memset(memory, 0, size);
    return {static_cast<std::byte*>(memory),
            [](std::byte* at) { static_cast<void>(cudaFreeHost(at)); }};
  }
  static_cast<void>(cudaGetLastError());
  auto plain = std::make_shared<Tensor>(Shape{static_cast<int64_t>(size)}, DType::kU8);
  return {plain, plain->data()};
}

void clear(Queue& queue, void* to, int64_t bytes) noexcept {
  queue.clear(to, bytes);
}
void move(Queue& queue, void* to, const void* from, int64_t bytes) noexcept {
  queue.move(to, from, bytes);
}
void copy_in(Queue& queue, void* to, const void* from, int64_t bytes) noexcept {
  queue.copy(to, from, bytes, cudaMemcpyHostToDevice);
}
void copy_out(Queue& queue, void* to, const void* from, int64_t bytes) noexcept {
  queue.copy(to, from, bytes, cudaMemcpyDeviceToHost);
}
void launch_entry(Queue& queue, const void* entry, const char* name, int64_t blocks, int threads,
                  const void* params) noexcept {
  queue.launch(entry, name, blocks, threads, params);
}
const int64_t* steps_done(const Queue& queue) noexcept {
  return queue.done();
}
int64_t steps_done_now(const Queue& queue) noexcept {
  return queue.now();
}
bool begin_chunk(Queue& queue, int64_t steps_done, std::span<const int64_t> key) noexcept {
  return queue.begin(steps_done, key);
}
void end_chunk(Queue& queue) noexcept {
  queue.end();
}
bool settle(Queue& queue) noexcept {
  return queue.settle();
}
void finish(Queue& queue) {
  queue.finish();
}

}  // namespace spikeloom::cuda
