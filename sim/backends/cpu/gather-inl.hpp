// Main sums of spikes: adds the weight rows that events point at, weights fp32, int16 or int8.
//
// fp32: one accumulator per output, events in order. Integers: 16-bit sums of runs of at most
// `safe` events, which cannot overflow (packed.hpp), fp32 in between; any order is exact.

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

// Events of one output pixel at one step; event e stands for the row of weights at origin + e *
// (bytes of a row). An address: origin may lie before the array.
struct EventList {
  const uint32_t* events;
  int64_t count;
  uintptr_t origin;
};

HWY_INLINE void store_floats(Floats d, V lanes, float* to) {
  hn::StoreU(lanes, d, to);
}

// 16-bit lanes as fp32.
template <class D>
HWY_INLINE void store_floats(D d, hn::Vec<D> lanes, float* to) {
  const hn::CappedTag<float, hn::MaxLanes(d)> f;
  const hn::Rebind<int16_t, decltype(f)> shorts;
  const hn::Rebind<int32_t, decltype(f)> ints;
  HWY_ALIGN int16_t memory[hn::MaxLanes(d)];
  hn::Store(lanes, d, memory);
  constexpr int kAll = static_cast<int>(hn::MaxLanes(d)), kStep = static_cast<int>(hn::MaxLanes(f));
#pragma GCC unroll 4
  for (int at = 0; at < kAll; at += kStep)
    hn::StoreU(hn::ConvertTo(f, hn::PromoteTo(ints, hn::LoadU(shorts, memory + at))), f, to + at);
}

// Sums of kWidth outputs while their events pass, fp32 or int16: registers only. store(to, count):
// as fp32, of `count` events.
template <typename Number, int kWidth>
struct PlainSums {
  static constexpr hn::CappedTag<Number, HWY_MIN(kWidth, 64 / sizeof(Number))> d{};
  static constexpr int kNumbers = static_cast<int>(hn::MaxLanes(d)), kVectors = kWidth / kNumbers;
  hn::Vec<decltype(d)> sums[kVectors];

  HWY_INLINE void clear() {
#pragma GCC unroll 8
    for (int v = 0; v < kVectors; ++v) sums[v] = hn::Zero(d);
  }
  HWY_INLINE void add(uintptr_t row) {
#pragma GCC unroll 8
    for (int v = 0; v < kVectors; ++v)
      sums[v] = hn::Add(sums[v], hn::LoadU(d, reinterpret_cast<const Number*>(row) + v * kNumbers));
  }
  HWY_INLINE void store(float* to, int64_t) const {
#pragma GCC unroll 8
    for (int v = 0; v < kVectors; ++v) store_floats(d, sums[v], to + v * kNumbers);
  }
};

// Pairs of int8 weights (pair_place()), one unit or a few: `both` adds them as they are, `second`
// their upper bytes. What is left of `both` are the first ones, each plus 128; all modulo 2^16.
template <int kWidth>
struct PairSums {
  static constexpr int kUnit = static_cast<int>(pair_unit(kWidth)), kHalf = kUnit / 2;
  static constexpr hn::CappedTag<int16_t, kHalf> d{};
  static constexpr int kPairs = static_cast<int>(hn::MaxLanes(d)), kVectors = kWidth / 2 / kPairs;
  hn::Vec<decltype(d)> both[kVectors], second[kVectors];

  HWY_INLINE void clear() {
#pragma GCC unroll 8
    for (int v = 0; v < kVectors; ++v) both[v] = second[v] = hn::Zero(d);
  }
  HWY_INLINE void add(uintptr_t row) {
#pragma GCC unroll 8
    for (int v = 0; v < kVectors; ++v) {
      auto pairs = hn::LoadU(d, reinterpret_cast<const int16_t*>(row) + v * kPairs);
#if HWY_TARGET == HWY_AVX3
      asm("" : "+v"(pairs.raw));  // gcc 12 would load it twice
#endif
      both[v] = hn::Add(both[v], pairs);
      second[v] = hn::Add(second[v], hn::ShiftRight<8>(pairs));
    }
  }
  HWY_INLINE void store(float* to, int64_t count) const {
    const auto added = hn::Set(d, static_cast<int16_t>(128 * count));
#pragma GCC unroll 8
    for (int v = 0; v < kVectors; ++v) {
      const int pair = v * kPairs;
      float* at = to + pair / kHalf * kUnit + pair % kHalf;
      store_floats(d, hn::Sub(hn::Sub(both[v], hn::ShiftLeft<8>(second[v])), added), at);
      store_floats(d, second[v], at + kHalf);
    }
  }
};

template <class Sums>
HWY_INLINE void add_events(Sums& sums, const EventList& list, int64_t first, int64_t bytes) {
#pragma GCC unroll 1
  for (int64_t i = first; i < list.count; ++i)
    sums.add(list.origin + static_cast<uintptr_t>(list.events[i]) * static_cast<uintptr_t>(bytes));
}

// Sums of two lists side by side: the loads of one fill the gaps of the other's short loop.
template <class Sums>
HWY_INLINE void add_two(const EventList& a, const EventList& b, int64_t bytes, float* to_a,
                        float* to_b) {
  Sums x, y;
  x.clear();
  y.clear();
  const int64_t both = std::min(a.count, b.count);
#pragma GCC unroll 1
  for (int64_t i = 0; i < both; ++i) {
    x.add(a.origin + static_cast<uintptr_t>(a.events[i]) * static_cast<uintptr_t>(bytes));
    y.add(b.origin + static_cast<uintptr_t>(b.events[i]) * static_cast<uintptr_t>(bytes));
  }
  add_events(x, a, both, bytes);
  add_events(y, b, both, bytes);
  x.store(to_a, a.count);
  y.store(to_b, b.count);
}

// How many outputs one pass over two lists adds up: their sums stay in registers.
template <typename Weight>
constexpr int kMostWidth = std::is_same_v<Weight, float>     ? 4 * kLanes
                           : std::is_same_v<Weight, int16_t> ? 8 * kLanes
                           : HWY_TARGET == HWY_AVX3          ? 16 * kLanes
                                                             : 64;
template <typename Weight, int kWidth>
constexpr int kPassWidth = kWidth <= kMostWidth<Weight>       ? kWidth
                           : kWidth % kMostWidth<Weight> == 0 ? kMostWidth<Weight>
                                                              : kMostWidth<Weight> / 2;
template <typename Weight, int kWidth>
using SumsOf =
    std::conditional_t<std::is_same_v<Weight, int8_t>, PairSums<kPassWidth<Weight, kWidth>>,
                       PlainSums<Weight, kPassWidth<Weight, kWidth>>>;

// What two lists of events add to the `kWidth` outputs of a tile. Of integers any `safe` events fit
// 16 bits; longer lists are added up in runs, as whole numbers below 2^24, which fp32 adds exactly.
template <typename Weight, int kWidth>
HWY_INLINE void gather(EventList a, EventList b, int64_t safe, float* to_a, float* to_b) {
  constexpr int64_t kBytes = kWidth * static_cast<int64_t>(sizeof(Weight));
  constexpr int kPass = kPassWidth<Weight, kWidth>;
  static_assert(kWidth % kPass == 0);
  const auto pass = [&](EventList x, EventList y, float* to_x, float* to_y)
      __attribute__((always_inline)) {
#pragma GCC unroll 1
    for (int part = 0; part < kWidth; part += kPass) {
      add_two<SumsOf<Weight, kWidth>>(x, y, kBytes, to_x + part, to_y + part);
      x.origin += kPass * sizeof(Weight);
      y.origin += kPass * sizeof(Weight);
    }
  };
  if (std::is_same_v<Weight, float> || std::max(a.count, b.count) <= safe)
    return pass(a, b, to_a, to_b);
  std::fill_n(to_a, kWidth, 0.0f);
  std::fill_n(to_b, kWidth, 0.0f);
  HWY_ALIGN float run_a[kWidth], run_b[kWidth];
  while (a.count > 0 || b.count > 0) {
    const int64_t next_a = std::min(a.count, safe), next_b = std::min(b.count, safe);
    pass({a.events, next_a, a.origin}, {b.events, next_b, b.origin}, run_a, run_b);
    for (int i = 0; i < kWidth; ++i) {
      to_a[i] += run_a[i];
      to_b[i] += run_b[i];
    }
    a = {a.events + next_a, a.count - next_a, a.origin};
    b = {b.events + next_b, b.count - next_b, b.origin};
  }
}

}  // namespace HWY_NAMESPACE
}  // namespace spikeloom::cpu
HWY_AFTER_NAMESPACE();

#endif
