#pragma once
// The execution context kernels are written over, on a CPU: the same methods as the device's, each
// with its check. Places in findings come from the calls' source locations.
//
//   simt::Buffer<float> x(values), y(n);
//   const simt::Report report = simt::launch<Scale>(blocks, 256, {x.get(), y.get(), n}, options);
//   REQUIRE(report.text() == "");

#include <atomic>
#include <bit>
#include <cstring>
#include <new>
#include <type_traits>
#include <vector>

#include "tests/gpu/simt/engine.hpp"

namespace spikeloom::simt {

class HostContext {
 public:
  HostContext(Engine& engine, Thread& thread) : engine_(engine), thread_(thread) {}

  unsigned tid() const { return thread_.tid; }
  unsigned bid() const { return engine_.bid(); }
  unsigned bdim() const { return engine_.bdim(); }
  unsigned gdim() const { return engine_.gdim(); }
  unsigned lane() const { return thread_.tid % kWarp; }
  unsigned warp() const { return thread_.tid / kWarp; }

  // What no thread of this launch writes.
  template <class T>
  T load(const T* p, const Location& where = Location::current()) const {
    return *reinterpret_cast<const T*>(
        engine_.global(thread_, p, sizeof(T), Use::kReadOnly, where));
  }
  // What this launch also writes.
  template <class T>
  T read(const T* p, const Location& where = Location::current()) const {
    return *reinterpret_cast<const T*>(engine_.global(thread_, p, sizeof(T), Use::kRead, where));
  }
  template <class T>
  void store(T* p, std::type_identity_t<T> value,
             const Location& where = Location::current()) const {
    *reinterpret_cast<T*>(engine_.global(thread_, p, sizeof(T), Use::kWrite, where)) = value;
  }
  template <class T>
  T atomic_add(T* p, std::type_identity_t<T> value,
               const Location& where = Location::current()) const {
    static_assert(std::is_integral_v<T>, "sums of floats have one written order");
    T* at = reinterpret_cast<T*>(engine_.global(thread_, p, sizeof(T), Use::kAtomic, where));
    return std::atomic_ref<T>(*at).fetch_add(value, std::memory_order_relaxed);
  }

  template <class T, int Count, int Slot>
  T* shared_array(const Location& where = Location::current()) const {
    static_assert(sizeof(T) <= 16 && Slot < 16);
    return static_cast<T*>(engine_.shared_array(thread_, Slot, sizeof(T) * Count, where));
  }
  template <class T>
  T get(const T* p, const Location& where = Location::current()) const {
    return *reinterpret_cast<const T*>(engine_.shared(thread_, p, sizeof(T), Use::kRead, where));
  }
  template <class T>
  void put(T* p, std::type_identity_t<T> value, const Location& where = Location::current()) const {
    *reinterpret_cast<T*>(engine_.shared(thread_, p, sizeof(T), Use::kWrite, where)) = value;
  }

  void sync(const Location& where = Location::current()) const { engine_.barrier(thread_, where); }
  void sync_warp(uint32_t mask = kAllLanes, const Location& where = Location::current()) const {
    engine_.collective(thread_, {Collective::kSync, mask}, where);
  }
  uint32_t ballot(uint32_t mask, bool yes, const Location& where = Location::current()) const {
    const Request request{Collective::kBallot, mask, 0, 0, yes ? 1u : 0u};
    return static_cast<uint32_t>(engine_.collective(thread_, request, where));
  }
  template <class T>
  T shfl(uint32_t mask, T value, int lane, const Location& where = Location::current()) const {
    return shuffle(Collective::kShuffle, mask, value, lane, where);
  }
  template <class T>
  T shfl_up(uint32_t mask, T value, int by, const Location& where = Location::current()) const {
    return shuffle(Collective::kShuffleUp, mask, value, by, where);
  }
  template <class T>
  T shfl_down(uint32_t mask, T value, int by, const Location& where = Location::current()) const {
    return shuffle(Collective::kShuffleDown, mask, value, by, where);
  }
  template <class T>
  T shfl_xor(uint32_t mask, T value, int bits, const Location& where = Location::current()) const {
    return shuffle(Collective::kShuffleXor, mask, value, bits, where);
  }
  using Mma = simt::Mma;
  // d = a b + c of a whole warp, 16 x 8 x 32 bytes to int32; fragments as in PTX's mma.m16n8k32.
  void mma(Mma& operands, const Location& where = Location::current()) const {
    engine_.collective(thread_, {Collective::kMma, kAllLanes, 0, 0, 0, &operands}, where);
  }

 private:
  template <class T>
  T shuffle(Collective what, uint32_t mask, T value, int argument, const Location& where) const {
    static_assert(sizeof(T) <= 8 && std::is_trivially_copyable_v<T>);
    Request request{what, mask, 0, argument, 0};
    std::memcpy(&request.value, &value, sizeof(T));
    const uint64_t result = engine_.collective(thread_, request, where);
    std::memcpy(&value, &result, sizeof(T));
    return value;
  }

  Engine& engine_;
  Thread& thread_;
};

// Memory kernels may use: 256-byte aligned, as cudaMalloc's is.
template <class T>
class Buffer {
 public:
  // Not written yet: filled with a pattern that is no sensible value.
  explicit Buffer(size_t n, const char* name = "buffer") : size_(n) {
    const size_t bytes = n * sizeof(T);
    data_ = static_cast<T*>(::operator new (bytes == 0 ? 1 : bytes, std::align_val_t{256}));
    std::memset(static_cast<void*>(data_), 0xFB, bytes);
    host_memory().add(reinterpret_cast<uintptr_t>(data_), bytes,
                      reinterpret_cast<std::byte*>(data_), name);
  }
  explicit Buffer(const std::vector<T>& values, const char* name = "buffer")
      : Buffer(values.size(), name) {
    std::memcpy(static_cast<void*>(data_), values.data(), size_ * sizeof(T));
    host_memory().find(reinterpret_cast<uintptr_t>(data_), 0)->mark(0, size_ * sizeof(T));
  }
  Buffer(const Buffer&) = delete;
  Buffer& operator=(const Buffer&) = delete;
  ~Buffer() {
    host_memory().remove(reinterpret_cast<uintptr_t>(data_));
    ::operator delete (static_cast<void*>(data_), std::align_val_t{256});
  }

  T* get() const { return data_; }
  size_t size() const { return size_; }
  std::vector<T> values() const { return std::vector<T>(data_, data_ + size_); }

 private:
  T* data_ = nullptr;
  size_t size_;
};

template <class K>
void kernel_body(HostContext& context, const void* params) {
  K::run(context, *static_cast<const typename K::Params*>(params));
}

template <class K>
Report launch(unsigned grid, unsigned block, const typename K::Params& params,
              const Options& options = {}) {
  static_assert(std::is_trivially_copyable_v<typename K::Params>);
  return engine().run(&kernel_body<K>, &params, grid, block, options);
}

}  // namespace spikeloom::simt
