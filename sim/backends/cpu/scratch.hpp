#pragma once
// Working memory of one thread: grows to the largest request and is kept, so that steps allocate
// nothing.

#include <algorithm>
#include <array>
#include <cstdint>
#include <utility>

#include "core/tensor.hpp"

namespace spikeloom::cpu {

enum class ScratchSlot { kEvents, kOffsets, kInputs, kSums, kTile, kCount };

// At least `count` elements of T (4 bytes), 64-byte aligned; contents are undefined, except that
// growing a slot with `keep` elements copies those. A slot's earlier pointer is invalid afterwards.
template <typename T>
T* scratch(ScratchSlot slot, int64_t count, int64_t keep = 0) {
  static_assert(sizeof(T) == 4);
  thread_local std::array<Tensor, static_cast<size_t>(ScratchSlot::kCount)> slots;
  Tensor& memory = slots[static_cast<size_t>(slot)];
  if (memory.size() < count) {
    Tensor larger({count + count / 2 + 64});
    const float* from = reinterpret_cast<const float*>(memory.data());
    std::copy(from, from + keep, reinterpret_cast<float*>(larger.data()));
    memory = std::move(larger);
  }
  return reinterpret_cast<T*>(memory.data());
}

}  // namespace spikeloom::cpu
