#pragma once
// 32 threads in lockstep. Lanes that branched apart are groups, each with its place; the group with
// the smallest place runs, so that they meet again where the code does.

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <vector>

#include "tests/gpu/ptx/kernel.hpp"

#ifdef __clang__
#define SPIKELOOM_LANES_APART _Pragma("clang loop vectorize(assume_safety)")
#else
#define SPIKELOOM_LANES_APART _Pragma("GCC ivdep")
#endif

namespace spikeloom::ptx {

struct Run;

struct Group {
  uint32_t pc = 0, lanes = 0;
};
// Lanes at a warp-wide instruction that wait for the rest of their mask.
struct Waiting {
  uint32_t pc = 0, mask = 0, lanes = 0;
};

struct Warp {
  Run* run = nullptr;
  std::byte* rows = nullptr;
  std::vector<uint32_t> predicates;
  uint32_t index = 0;  // in the block
  uint32_t live = 0;   // lanes that have not returned
  std::vector<Group> ready;
  std::vector<Waiting> waiting;
  uint32_t at_barrier = 0, barrier_pc = 0;
  uint32_t sync_serial = 0;
  std::array<uint32_t, simt::kWarp> warp_syncs{};

  uint32_t* words(uint32_t row) { return reinterpret_cast<uint32_t*>(rows + row); }
  uint64_t* longs(uint32_t row) { return reinterpret_cast<uint64_t*>(rows + row); }
};

// The type of a lane that holds a T.
template <class T>
using Slot = std::conditional_t<sizeof(T) == 8, uint64_t, uint32_t>;

template <class T>
inline T from_slot(Slot<T> slot) {
  if constexpr (std::is_same_v<T, float> || std::is_same_v<T, double>) {
    T value;
    std::memcpy(&value, &slot, sizeof value);
    return value;
  } else {
    return static_cast<T>(slot);
  }
}

template <class T>
inline Slot<T> to_slot(T value) {
  if constexpr (std::is_same_v<T, float> || std::is_same_v<T, double>) {
    Slot<T> slot;
    std::memcpy(&slot, &value, sizeof value);
    return slot;
  } else if constexpr (sizeof(T) < 4 && std::is_signed_v<T>) {
    return static_cast<uint32_t>(int32_t{value});
  } else {
    return static_cast<Slot<T>>(value);
  }
}

template <class T>
inline Slot<T>* row(Warp& warp, uint32_t at) {
  return reinterpret_cast<Slot<T>*>(warp.rows + at);
}

// out[lane] = of(lane) for the lanes of a mask; `of` is computed for all and must not trap. Rows are
// the same or apart.
template <class S, class F>
inline void assign(S* out, uint32_t lanes, F of) {
  if (lanes == simt::kAllLanes) {
    SPIKELOOM_LANES_APART
    for (int l = 0; l < simt::kWarp; ++l) out[l] = of(l);
  } else {
    SPIKELOOM_LANES_APART
    for (int l = 0; l < simt::kWarp; ++l) {
      const S value = of(l);
      out[l] = (lanes >> l & 1) != 0 ? value : out[l];
    }
  }
}

inline void set_predicate(Warp& warp, uint32_t which, uint32_t lanes, uint32_t bits) {
  uint32_t& predicate = warp.predicates[which];
  predicate = (predicate & ~lanes) | (bits & lanes);
}

}  // namespace spikeloom::ptx
