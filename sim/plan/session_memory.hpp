#pragma once
// Where a session's values lie: in the backend's memory, where kernels work, and in the host's,
// where the rest of the program fills and reads them. Both are one where the backend works in the
// host's memory; else the host has a copy of what is carried between the two.

#include <memory>
#include <span>
#include <vector>

#include "core/tensor.hpp"
#include "sim/plan/plan.hpp"

namespace spikeloom {

enum class MemorySide { kBackend, kHost };

class SessionMemory {
 public:
  explicit SessionMemory(std::shared_ptr<const Plan> plan);
  // Of a session of the same plan.
  void copy_from(const SessionMemory& other);

  // Where a slot starts, its history first; null where the host has no copy.
  float* real(size_t node, MemorySide side) const noexcept;
  uint64_t* bits(size_t node, MemorySide side) const noexcept;
  float* state() const noexcept { return floats(state_); }  // of the backend
  float* membranes(MemorySide side) const noexcept { return floats(membranes_.at(side)); }
  uint64_t* planes() const noexcept;  // the spike memory, of the host
  void* queue() const noexcept { return queue_.get(); }

  // Between the two sides: some steps of a slot, counted from the start of its history.
  void bring_in(size_t node, int64_t first, int64_t steps) const noexcept;
  void bring_out(size_t node, int64_t steps) const noexcept;
  // Everything that can be read back, after so many ticks; waits for it.
  void bring_out_all(int64_t ticks) const;
  // State as the host sees it, and from the host.
  std::span<const float> read_state(Tensor& scratch) const;
  void write_state(const Tensor& padded) const;
  void finish() const;

 private:
  using Memory = std::shared_ptr<std::byte>;
  struct Pair {
    Memory backend, host;
    const Memory& at(MemorySide side) const noexcept {
      return side == MemorySide::kHost ? host : backend;
    }
  };
  static float* floats(const Memory& memory) noexcept {
    return reinterpret_cast<float*>(memory.get());
  }
  Pair pair_of(int64_t backend_bytes, int64_t host_bytes) const;
  int64_t slot_bytes(const ValueSlot& slot, int64_t steps) const noexcept;

  std::shared_ptr<const Plan> plan_;
  const Backend& backend_;
  bool is_one_;                       // both sides are the same memory
  std::shared_ptr<void> queue_;       // outlives the memory it works on
  std::vector<int64_t> host_offset_;  // floats, by node; -1: the host has no copy
  int64_t host_floats_ = 0;
  Memory state_;
  Pair real_, membranes_, spikes_;
};

}  // namespace spikeloom
