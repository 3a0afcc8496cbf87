// The runtime of sim/backends/cuda/runtime.hpp on the host: memory that the fiber engine watches,
// everything at once. What a kernel does wrong is a failure of its queue.

#include <algorithm>
#include <cstring>
#include <map>
#include <new>

#include "core/error.hpp"
#include "sim/backends/cuda/launch.hpp"
#include "sim/backends/cuda/runtime.hpp"
#include "tests/gpu/product/host_launch.hpp"

namespace spikeloom::cuda {

class Queue {
 public:
  std::string failure;
  std::shared_ptr<std::byte> done = device_memory(0, sizeof(int64_t));
  int64_t now = 0;
};

Devices find_devices() {
  return {{{0, "fibers", 9, 0, int64_t{1} << 32}}, ""};
}
DeviceInfo open_device(int number) {
  return {number, "fibers", 9, 0, int64_t{1} << 32};
}
std::string toolkit_version() {
  return "none";
}
std::shared_ptr<Queue> make_queue(int, QueueOptions) {
  return std::make_shared<Queue>();
}

std::shared_ptr<std::byte> device_memory(int, int64_t bytes) {
  const auto size = static_cast<size_t>(std::max<int64_t>(bytes, 4));
  auto* memory = static_cast<std::byte*>(::operator new (size, std::align_val_t{256}));
  std::memset(memory, 0, size);
  const auto address = reinterpret_cast<uintptr_t>(memory);
  simt::host_memory().add(address, size, memory, "memory");
  simt::host_memory().find(address, 0)->written.set(0, size);
  return {memory, [address](std::byte* at) {
            simt::host_memory().remove(address);
            ::operator delete (at, std::align_val_t{256});
          }};
}
std::shared_ptr<std::byte> pinned_memory(int device, int64_t bytes) {
  return device_memory(device, bytes);
}

void clear(Queue&, void* to, int64_t bytes) noexcept {
  std::memset(to, 0, static_cast<size_t>(bytes));
}
void move(Queue&, void* to, const void* from, int64_t bytes) noexcept {
  std::memmove(to, from, static_cast<size_t>(bytes));
}
void copy_in(Queue&, void* to, const void* from, int64_t bytes) noexcept {
  std::memcpy(to, from, static_cast<size_t>(bytes));
}
void copy_out(Queue&, void* to, const void* from, int64_t bytes) noexcept {
  std::memcpy(to, from, static_cast<size_t>(bytes));
}
const int64_t* steps_done(const Queue& queue) noexcept {
  return reinterpret_cast<const int64_t*>(queue.done.get());
}
int64_t steps_done_now(const Queue& queue) noexcept {
  return queue.now;
}
bool begin_chunk(Queue& queue, int64_t steps_done, std::span<const int64_t>) noexcept {
  queue.now = steps_done;
  std::memcpy(queue.done.get(), &steps_done, sizeof(steps_done));
  return false;
}
void end_chunk(Queue&) noexcept {}
bool settle(Queue& queue) noexcept {
  return queue.failure.empty();
}
void finish(Queue& queue) {
  if (!queue.failure.empty()) throw Error(ErrorCode::kRuntime, queue.failure);
}
void note_failure(Queue& queue, const std::string& text) {
  if (queue.failure.empty()) queue.failure = text;
}

}  // namespace spikeloom::cuda
