// Main sums of spikes: adds the weight rows that events point at, weights fp32, int16 or int8.
//
// fp32: one accumulator per output, events in order. Integers: 16-bit sums of runs of at most
// `safe` events, which cannot overflow (packed.hpp), widened to 32 bits in between; any order is
// exact, and so is the conversion to fp32 at the end.

#if defined(SPIKELOOM_CPU_GATHER_INL) == defined(HWY_TARGET_TOGGLE)
#ifdef SPIKELOOM_CPU_GATHER_INL
#undef SPIKELOOM_CPU_GATHER_INL
#else
#define SPIKELOOM_CPU_GATHER_INL
#endif

#include "sim/backends/cpu/simd-inl.hpp"

HWY_BEFORE_NAMESPACE();
namespace spikeloom::cpu {
namespace HWY_NAMESPACE {

using Shorts = hn::CappedTag<int16_t, 32>;
using VS = hn::Vec<Shorts>;
constexpr Shorts kShorts;
constexpr int kShortLanes = static_cast<int>(HWY_MIN(32, HWY_LANES(int16_t)));

HWY_INLINE VS load_shorts(const int16_t* from) {
  return hn::LoadU(kShorts, from);
}
HWY_INLINE VS load_shorts(const int8_t* from) {
  return hn::PromoteTo(kShorts, hn::LoadU(hn::Rebind<int8_t, Shorts>(), from));
}

// What a list of events adds to the `kWidth` outputs of a tile; event e stands for row e - base.
// `weights` as an address: base rows before the tile may lie outside the array.
template <int kWidth>
HWY_INLINE void gather(const uint32_t* events, int64_t count, int64_t base, const float* weights,
                       int64_t, float* sums) {
  constexpr int kVectors = HWY_MIN(kWidth / kLanes, 8);
  const auto origin = reinterpret_cast<uintptr_t>(weights) -
                      static_cast<uintptr_t>(base) * (kWidth * sizeof(float));
#pragma GCC unroll 4
  for (int part = 0; part < kWidth; part += kVectors * kLanes) {
    V acc[kVectors];
#pragma GCC unroll 8
    for (int v = 0; v < kVectors; ++v) acc[v] = hn::Zero(kD);
#pragma GCC unroll 1
    for (int64_t i = 0; i < count; ++i) {
      const auto* row = reinterpret_cast<const float*>(origin + static_cast<uintptr_t>(events[i]) *
                                                                    (kWidth * sizeof(float))) +
                        part;
#pragma GCC unroll 8
      for (int v = 0; v < kVectors; ++v) acc[v] = hn::Add(acc[v], hn::LoadU(kD, row + v * kLanes));
    }
#pragma GCC unroll 8
    for (int v = 0; v < kVectors; ++v) hn::StoreU(acc[v], kD, sums + part + v * kLanes);
  }
}

// 16-bit sums of one run of events. Not unrolled: a list is short, and every further loop end is
// one more branch nobody can predict.
template <int kWidth, typename Int>
HWY_INLINE void gather_run(const uint32_t* events, int64_t count, uintptr_t origin, int16_t* sums) {
  constexpr int kVectors = HWY_MIN(kWidth / kShortLanes, 8);
#pragma GCC unroll 4
  for (int part = 0; part < kWidth; part += kVectors * kShortLanes) {
    VS acc[kVectors];
#pragma GCC unroll 8
    for (int v = 0; v < kVectors; ++v) acc[v] = hn::Zero(kShorts);
#pragma GCC unroll 1
    for (int64_t i = 0; i < count; ++i) {
      const auto* row =
          reinterpret_cast<const Int*>(origin + events[i] * (kWidth * sizeof(Int))) + part;
#pragma GCC unroll 8
      for (int v = 0; v < kVectors; ++v)
        acc[v] = hn::Add(acc[v], load_shorts(row + v * kShortLanes));
    }
#pragma GCC unroll 8
    for (int v = 0; v < kVectors; ++v) hn::StoreU(acc[v], kShorts, sums + part + v * kShortLanes);
  }
}

template <int kWidth, typename Int>
HWY_INLINE void gather(const uint32_t* events, int64_t count, int64_t base, const Int* weights,
                       int64_t safe, float* sums) {
  const hn::Rebind<int16_t, Floats> shorts;
  const hn::Rebind<int32_t, Floats> ints;
  const auto origin =
      reinterpret_cast<uintptr_t>(weights) - static_cast<uintptr_t>(base) * (kWidth * sizeof(Int));
  HWY_ALIGN int16_t run[kWidth];
  if (count <= safe) {
    gather_run<kWidth, Int>(events, count, origin, run);
#pragma GCC unroll 8
    for (int at = 0; at < kWidth; at += kLanes) {
      const auto wide = hn::PromoteTo(ints, hn::LoadU(shorts, run + at));
      hn::StoreU(hn::ConvertTo(kD, wide), kD, sums + at);
    }
    return;
  }
  // Whole numbers below 2^24: fp32 adds them exactly.
  for (int at = 0; at < kWidth; at += kLanes) hn::StoreU(hn::Zero(kD), kD, sums + at);
  for (int64_t i = 0; i < count; i += safe) {
    gather_run<kWidth, Int>(events + i, std::min(safe, count - i), origin, run);
    for (int at = 0; at < kWidth; at += kLanes) {
      const auto wide = hn::PromoteTo(ints, hn::LoadU(shorts, run + at));
      hn::StoreU(hn::Add(hn::LoadU(kD, sums + at), hn::ConvertTo(kD, wide)), kD, sums + at);
    }
  }
}

}  // namespace HWY_NAMESPACE
}  // namespace spikeloom::cpu
HWY_AFTER_NAMESPACE();

#endif
