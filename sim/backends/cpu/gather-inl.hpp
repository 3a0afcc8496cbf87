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

// Where the sums of a row go: as they are, or through what of the epilogue comes before a neuron;
// then nothing is written from output `outputs` on.
struct SumsTo {
  float* to;
  int pairs = 0;
  const float *affine = nullptr, *other = nullptr;  // Epilogue
  int64_t row_floats = 0, outputs = 0;
};

// Puts 16-bit or fp32 lanes there, one vector of fp32 after the other: put(output, vector).
template <class Put>
HWY_INLINE void each_float(int64_t at, Floats, V lanes, Put put) {
  put(at, lanes);
}
template <class D, class Put>
HWY_INLINE void each_float(int64_t at, D d, hn::Vec<D> lanes, Put put) {
  const hn::Rebind<int32_t, Floats> ints;
  if constexpr (hn::MaxLanes(d) == kLanes) {
    put(at, hn::ConvertTo(kD, hn::PromoteTo(ints, lanes)));
#if HWY_TARGET != HWY_SCALAR
  } else {
    static_assert(hn::MaxLanes(d) == 2 * kLanes);
    const hn::Half<D> half;
    put(at, hn::ConvertTo(kD, hn::PromoteTo(ints, hn::LowerHalf(half, lanes))));
    put(at + kLanes, hn::ConvertTo(kD, hn::PromoteTo(ints, hn::UpperHalf(half, lanes))));
#endif
  }
}

struct PutAsIs {
  const SumsTo& row;
  HWY_INLINE void operator()(int64_t at, V y) const { hn::StoreU(y, kD, row.to + at); }
};

template <int kPairs, bool kOther>
struct PutFinished {
  const SumsTo& row;
  HWY_INLINE void operator()(int64_t at, V y) const {
    if (at >= row.outputs) return;
#pragma GCC unroll 2
    for (int pair = 0; pair < kPairs; ++pair) {
      const float* affine = row.affine + 2 * pair * row.row_floats + at;
      y = hn::Add(hn::Mul(y, hn::LoadU(kD, affine)), hn::LoadU(kD, affine + row.row_floats));
    }
    if constexpr (kOther) y = hn::Add(y, hn::LoadU(kD, row.other + at));
    hn::StoreU(y, kD, row.to + at);
  }
};

// sums.each(put) to where they go; which way is asked once.
template <class Sums>
HWY_INLINE void put_sums(const Sums& sums, int64_t part, int64_t count, const SumsTo& row) {
  if (row.pairs == 0) return sums.each(part, count, PutAsIs{row});
  if (row.other == nullptr)
    return row.pairs == 1 ? sums.each(part, count, PutFinished<1, false>{row})
                          : sums.each(part, count, PutFinished<2, false>{row});
  return row.pairs == 1 ? sums.each(part, count, PutFinished<1, true>{row})
                        : sums.each(part, count, PutFinished<2, true>{row});
}

// Sums of kWidth outputs while their events pass, fp32 or int16: registers only. each(part, count,
// put): of `count` events, from output `part` of the row on.
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
  template <class Put>
  HWY_INLINE void each(int64_t part, int64_t, Put put) const {
#pragma GCC unroll 8
    for (int v = 0; v < kVectors; ++v) each_float(part + v * kNumbers, d, sums[v], put);
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
  template <class Put>
  HWY_INLINE void each(int64_t part, int64_t count, Put put) const {
    const auto added = hn::Set(d, static_cast<int16_t>(128 * count));
#pragma GCC unroll 8
    for (int v = 0; v < kVectors; ++v) {
      const int pair = v * kPairs;
      const int64_t at = part + pair / kHalf * kUnit + pair % kHalf;
      each_float(at, d, hn::Sub(hn::Sub(both[v], hn::ShiftLeft<8>(second[v])), added), put);
      each_float(at + kHalf, d, second[v], put);
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
HWY_INLINE void add_two(const EventList& a, const EventList& b, int64_t bytes, int64_t part,
                        const SumsTo& to_a, const SumsTo& to_b) {
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
  put_sums(x, part, a.count, to_a);
  put_sums(y, part, b.count, to_b);
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

// What two lists of events add to the `kWidth` outputs of a tile; of integers at most `safe`
// events.
template <typename Weight, int kWidth>
HWY_INLINE void gather(EventList a, EventList b, const SumsTo& to_a, const SumsTo& to_b) {
  constexpr int64_t kBytes = kWidth * static_cast<int64_t>(sizeof(Weight));
  constexpr int kPass = kPassWidth<Weight, kWidth>;
  static_assert(kWidth % kPass == 0);
#pragma GCC unroll 1
  for (int part = 0; part < kWidth; part += kPass) {
    add_two<SumsOf<Weight, kWidth>>(a, b, kBytes, part, to_a, to_b);
    a.origin += kPass * sizeof(Weight);
    b.origin += kPass * sizeof(Weight);
  }
}

// The same for longer lists of integers: runs of `safe` events, added up as whole numbers below
// 2^24, which fp32 adds exactly.
template <typename Weight, int kWidth>
HWY_INLINE void gather_runs(EventList a, EventList b, int64_t safe, float* to_a, float* to_b) {
  std::fill_n(to_a, kWidth, 0.0f);
  std::fill_n(to_b, kWidth, 0.0f);
  HWY_ALIGN float run_a[kWidth], run_b[kWidth];
  while (a.count > 0 || b.count > 0) {
    const int64_t next_a = std::min(a.count, safe), next_b = std::min(b.count, safe);
    gather<Weight, kWidth>({a.events, next_a, a.origin}, {b.events, next_b, b.origin}, {run_a},
                           {run_b});
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
