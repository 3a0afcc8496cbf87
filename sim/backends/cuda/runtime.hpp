#pragma once
// What the backend needs of the CUDA runtime, without its headers: devices, memory, queues. Memory
// and queues are of one device; a queue is used by one thread at a time.

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <vector>

namespace spikeloom::cuda {

struct DeviceInfo {
  int number = 0;
  std::string name;          // "NVIDIA H100 80GB HBM3"
  int major = 0, minor = 0;  // compute capability
  int64_t memory = 0;        // bytes
  std::string architecture() const { return "sm_" + std::to_string(major) + std::to_string(minor); }
};

struct Devices {
  std::vector<DeviceInfo> found;
  std::string reason;  // why there is none
};

// Looks without a fault; "built without CUDA" where that is so.
Devices find_devices();
// The device, ready for the kernels of this program. Throws Error(kRuntime) saying why it is not.
DeviceInfo open_device(int number);
// "13.0", "" when built without it.
std::string toolkit_version();

// What a session asks of a device, in its order: copies and kernels. The first failure stays.
class Queue;

struct QueueOptions {
  bool graphs = true;        // repeated chunks are recorded and replayed
  bool synchronous = false;  // waits behind every kernel, so that a failure names it
};
std::shared_ptr<Queue> make_queue(int device, QueueOptions options);

// Zeros; throws Error(kRuntime) with what is needed and free.
std::shared_ptr<std::byte> device_memory(int device, int64_t bytes);
// The host's, from where copies need no detour; ordinary memory where there is no other.
std::shared_ptr<std::byte> pinned_memory(int device, int64_t bytes);

void clear(Queue& queue, void* to, int64_t bytes) noexcept;
void move(Queue& queue, void* to, const void* from, int64_t bytes) noexcept;  // may overlap
void copy_in(Queue& queue, void* to, const void* from, int64_t bytes) noexcept;
void copy_out(Queue& queue, void* to, const void* from, int64_t bytes) noexcept;
void launch_entry(Queue& queue, const void* entry, const char* name, int64_t blocks, int threads,
                  const void* params) noexcept;

// Where the device finds how many steps were done when the chunk began, and what it is now.
const int64_t* steps_done(const Queue& queue) noexcept;
int64_t steps_done_now(const Queue& queue) noexcept;
// As Backend::begin_chunk and end_chunk.
bool begin_chunk(Queue& queue, int64_t steps_done, std::span<const int64_t> key) noexcept;
void end_chunk(Queue& queue) noexcept;
// Waits, in the middle of a chunk, which then cannot be recorded. False when something failed.
bool settle(Queue& queue) noexcept;
// Waits. Throws Error(kRuntime) saying what failed first.
void finish(Queue& queue);

}  // namespace spikeloom::cuda
