// Device memory, pinned memory, copies.

#include <algorithm>
#include <cstring>
#include <new>

#include "tests/gpu/runtime/state.hpp"

namespace spikeloom::standin {
namespace {

constexpr size_t kGap = 512;  // between allocations, so that what runs past an end meets nothing

bool capturing() {
  const auto& streams = state().streams;
  return std::any_of(streams.begin(), streams.end(), [](cudaStream_t s) { return s->capturing; });
}

// Ends: device ranges are checked when the copy is asked for, host ranges are the caller's.
struct End {
  std::byte* bytes = nullptr;
  simt::Allocation* allocation = nullptr;
  size_t offset = 0;
};

bool end_of(const void* address, size_t bytes, bool device, End& end) {
  if (device != is_device(address)) return false;
  if (!device) {
    end.bytes = static_cast<std::byte*>(const_cast<void*>(address));
    return true;
  }
  end.allocation = state().memory.find(reinterpret_cast<uintptr_t>(address), bytes);
  if (end.allocation == nullptr) return false;
  end.offset = reinterpret_cast<uintptr_t>(address) - end.allocation->base;
  end.bytes = end.allocation->storage + end.offset;
  return true;
}

bool will_be_read(const std::byte* at, size_t bytes) {
  const State& s = state();
  return s.pending_graphs > 0 ||
         std::any_of(s.pending_reads.begin(), s.pending_reads.end(), [&](const auto& read) {
           return read.first < at + bytes && at < read.first + read.second;
         });
}

cudaError_t copy(void* to, const void* from, size_t bytes, cudaMemcpyKind kind,
                 CUstream_st& stream) {
  if (kind == cudaMemcpyDefault)
    kind = static_cast<cudaMemcpyKind>((is_device(from) ? 2 : 0) + (is_device(to) ? 1 : 0));
  End source, target;
  const bool from_device = kind == cudaMemcpyDeviceToHost || kind == cudaMemcpyDeviceToDevice;
  const bool to_device = kind == cudaMemcpyHostToDevice || kind == cudaMemcpyDeviceToDevice;
  if (!end_of(from, bytes, from_device, source) || !end_of(to, bytes, to_device, target))
    return give(cudaErrorInvalidValue);
  if (from_device && to_device && source.bytes < target.bytes + bytes &&
      target.bytes < source.bytes + bytes)
    return give(cudaErrorInvalidValue);
  if (!to_device && !stream.capturing && !will_be_read(target.bytes, bytes))
    std::memset(target.bytes, 0xFB, bytes);
  const bool reads_host = !from_device && !stream.capturing;
  if (reads_host) state().pending_reads.emplace(source.bytes, bytes);
  // The allocations are looked up again: they may be gone when the copy runs.
  return give(enqueue(stream, [=] {
    if (reads_host) {
      auto& reads = state().pending_reads;
      auto [read, last] = reads.equal_range(static_cast<const std::byte*>(from));
      while (read != last && read->second != bytes) ++read;
      if (read != last) reads.erase(read);
    }
    End s, t;
    if (!end_of(from, bytes, from_device, s) || !end_of(to, bytes, to_device, t))
      return break_context(cudaErrorIllegalAddress, "a copy from or to memory that has been freed");
    if (s.allocation != nullptr && !s.allocation->complete &&
        !s.allocation->written.all(s.offset, bytes))
      return break_context(cudaErrorLaunchFailure,
                           "a copy of device memory that nothing has written");
    std::memcpy(t.bytes, s.bytes, bytes);
    if (t.allocation != nullptr) t.allocation->mark(t.offset, bytes);
    return cudaSuccess;
  }));
}

cudaError_t set(void* to, int value, size_t bytes, CUstream_st& stream) {
  End target;
  if (!end_of(to, bytes, true, target)) return give(cudaErrorInvalidValue);
  return give(enqueue(stream, [=] {
    End t;
    if (!end_of(to, bytes, true, t))
      return break_context(cudaErrorIllegalAddress, "memory is set that has been freed");
    std::memset(t.bytes, value, bytes);
    t.allocation->mark(t.offset, bytes);
    return cudaSuccess;
  }));
}

}  // namespace

bool is_device(const void* address) {
  return reinterpret_cast<uintptr_t>(address) - kDeviceBase < kDeviceRange;
}

}  // namespace spikeloom::standin

using namespace spikeloom::standin;
using Lock = std::lock_guard<std::recursive_mutex>;

extern "C" {

cudaError_t cudaMalloc(void** memory, size_t bytes) {
  State& s = state();
  const Lock lock(s.mutex);
  if (const cudaError_t error = enter("cudaMalloc"); error != cudaSuccess) return error;
  if (capturing()) return give(cudaErrorStreamCaptureUnsupported);
  *memory = nullptr;
  if (bytes == 0) return cudaSuccess;
  const size_t room = (bytes + 255) / 256 * 256 + kGap;
  if (bytes > s.config.memory - s.allocated || s.range_used + room > kDeviceRange)
    return give(cudaErrorMemoryAllocation);
  const auto base = kDeviceBase + s.range_used;
  s.range_used += room;  // addresses are never used again
  s.allocated += bytes;
  std::unique_ptr<std::byte[]> storage(new (std::nothrow) std::byte[bytes]);
  if (storage == nullptr) return give(cudaErrorMemoryAllocation);
  std::memset(storage.get(), 0xFB, bytes);
  s.memory.add(base, bytes, storage.get(), "device memory " + std::to_string(++s.numbered));
  s.storage[base] = std::move(storage);
  *memory = reinterpret_cast<void*>(base);
  return cudaSuccess;
}

cudaError_t cudaFree(void* memory) {
  State& s = state();
  const Lock lock(s.mutex);
  if (const cudaError_t error = enter("cudaFree"); error != cudaSuccess) return error;
  if (memory == nullptr) return cudaSuccess;
  if (capturing()) return give(cudaErrorStreamCaptureUnsupported);
  const auto base = reinterpret_cast<uintptr_t>(memory);
  const auto found = s.storage.find(base);
  if (found == s.storage.end()) return give(cudaErrorInvalidValue);
  if (const cudaError_t error = drain_all(); error != cudaSuccess) return give(error);
  s.allocated -= s.memory.find(base, 0)->size;
  s.memory.remove(base);
  s.storage.erase(found);
  return cudaSuccess;
}

cudaError_t cudaMallocHost(void** memory, size_t bytes) {
  State& s = state();
  const Lock lock(s.mutex);
  if (const cudaError_t error = enter("cudaMallocHost"); error != cudaSuccess) return error;
  std::unique_ptr<std::byte[]> made(new (std::nothrow) std::byte[std::max<size_t>(bytes, 1)]);
  if (made == nullptr) return give(cudaErrorMemoryAllocation);
  *memory = made.get();
  s.pinned[*memory] = std::move(made);
  return cudaSuccess;
}

cudaError_t cudaHostAlloc(void** memory, size_t bytes, unsigned) {
  return cudaMallocHost(memory, bytes);
}

cudaError_t cudaFreeHost(void* memory) {
  State& s = state();
  const Lock lock(s.mutex);
  if (const cudaError_t error = enter("cudaFreeHost"); error != cudaSuccess) return error;
  if (memory != nullptr && s.pinned.erase(memory) == 0) return give(cudaErrorInvalidValue);
  return cudaSuccess;
}

cudaError_t cudaMemGetInfo(size_t* free, size_t* total) {
  State& s = state();
  const Lock lock(s.mutex);
  if (const cudaError_t error = enter("cudaMemGetInfo"); error != cudaSuccess) return error;
  *total = s.config.memory;
  *free = s.config.memory - s.allocated;
  return cudaSuccess;
}

cudaError_t cudaMemcpyAsync(void* to, const void* from, size_t bytes, cudaMemcpyKind kind,
                            cudaStream_t stream) {
  const Lock lock(state().mutex);
  if (const cudaError_t error = enter("cudaMemcpyAsync"); error != cudaSuccess) return error;
  CUstream_st* const on = stream_of(stream);
  return on == nullptr ? give(cudaErrorInvalidResourceHandle) : copy(to, from, bytes, kind, *on);
}

cudaError_t cudaMemcpy(void* to, const void* from, size_t bytes, cudaMemcpyKind kind) {
  State& s = state();
  const Lock lock(s.mutex);
  if (const cudaError_t error = enter("cudaMemcpy"); error != cudaSuccess) return error;
  if (capturing()) return give(cudaErrorStreamCaptureUnsupported);
  const cudaError_t error = copy(to, from, bytes, kind, *s.null_stream);
  return error != cudaSuccess ? error : give(drain(*s.null_stream));
}

cudaError_t cudaMemsetAsync(void* to, int value, size_t bytes, cudaStream_t stream) {
  const Lock lock(state().mutex);
  if (const cudaError_t error = enter("cudaMemsetAsync"); error != cudaSuccess) return error;
  CUstream_st* const on = stream_of(stream);
  return on == nullptr ? give(cudaErrorInvalidResourceHandle) : set(to, value, bytes, *on);
}

cudaError_t cudaMemset(void* to, int value, size_t bytes) {
  State& s = state();
  const Lock lock(s.mutex);
  if (const cudaError_t error = enter("cudaMemset"); error != cudaSuccess) return error;
  return set(to, value, bytes, *s.null_stream);
}

}  // extern "C"
