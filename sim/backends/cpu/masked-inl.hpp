// Operands of a depthwise convolution: how a vector of channels is read and added, and loops
// unrolled by the compiler whatever their length.
//
// Bits of 16 channels (a vector of them) are the mask of an addition. Float sums take turns on the
// adders and the multiply-adders: fma(w, 1, acc) = w + acc.

#if defined(SPIKELOOM_CPU_MASKED_INL) == defined(HWY_TARGET_TOGGLE)
#ifdef SPIKELOOM_CPU_MASKED_INL
#undef SPIKELOOM_CPU_MASKED_INL
#else
#define SPIKELOOM_CPU_MASKED_INL
#endif

#include <utility>

#include "sim/backends/cpu/simd-inl.hpp"

#undef SPIKELOOM_INLINE
#define SPIKELOOM_INLINE __attribute__((always_inline))

HWY_BEFORE_NAMESPACE();
namespace spikeloom::cpu {
namespace HWY_NAMESPACE {

template <int... i, class F>
HWY_INLINE void unroll_indices(std::integer_sequence<int, i...>, F f) {
  (f(std::integral_constant<int, i>{}), ...);
}

// f(i) for i in [0, count), each a constant of the compiler.
template <int count, class F>
HWY_INLINE void unroll(F f) {
  unroll_indices(std::make_integer_sequence<int, count>{}, f);
}

// Spikes summed in float or in int16_t, where no sum of a channel leaves it.
template <typename T>
struct Masked {
  using Number = T;
  using Tag = hn::CappedTag<T, 64 / sizeof(T)>;
  using Vector = hn::Vec<Tag>;
  static constexpr Tag tag() { return {}; }
  static constexpr int kLanes = static_cast<int>(HWY_MIN(64 / sizeof(T), HWY_LANES(T)));
  static constexpr int kGroup = HWY_MAX(16, kLanes);        // channels of a tile
  static constexpr bool kAnyOrder = std::is_integral_v<T>;  // sums are exact

  static const T* taps(const PackedDepthwise& p) { return p.taps.as<T>().data(); }
  static int64_t pixel_bytes(int64_t channels) { return 8 * words_for(channels); }
  static int64_t channel_bytes(int64_t c) { return c / 8; }

  // to(lane, sums from that lane on as floats).
  template <class To>
  static HWY_INLINE void as_floats(Vector sums, To to) {
    if constexpr (std::is_same_v<T, float>) {
      to(0, sums);
    } else {
#if HWY_TARGET == HWY_SCALAR
      to(0, hn::Set(kD, static_cast<float>(hn::GetLane(sums))));
#else
      constexpr hn::Half<Tag> kHalf;
      constexpr hn::RebindToSigned<Floats> kWide;
      to(0, hn::ConvertTo(kD, hn::PromoteTo(kWide, hn::LowerHalf(kHalf, sums))));
      to(kLanes / 2, hn::ConvertTo(kD, hn::PromoteTo(kWide, hn::UpperHalf(kHalf, sums))));
#endif
    }
  }

#if HWY_TARGET == HWY_AVX3
  using Input = std::conditional_t<sizeof(T) == 2, __mmask32, __mmask16>;
  static HWY_INLINE Input load(const char* at, int) {
    if constexpr (sizeof(T) == 2) {
      return _load_mask32(reinterpret_cast<Input*>(const_cast<char*>(at)));
    } else {
      return _load_mask16(reinterpret_cast<Input*>(const_cast<char*>(at)));
    }
  }
  // Written as instructions: from intrinsics GCC 12 makes more copies of accumulators than
  // additions.
  template <bool fused>
  static HWY_INLINE Vector add(Vector acc, Vector w, Input x) {
    if constexpr (sizeof(T) == 2) {
      asm("vpaddw %2, %0, %0%{%1%}" : "+v"(acc.raw) : "Yk"(x), "v"(w.raw));
    } else if constexpr (fused) {
      asm("vfmadd231ps %2, %3, %0%{%1%}"
          : "+v"(acc.raw)
          : "Yk"(x), "v"(w.raw), "v"(_mm512_set1_ps(1.0f)));
    } else {
      asm("vaddps %2, %0, %0%{%1%}" : "+v"(acc.raw) : "Yk"(x), "v"(w.raw));
    }
    return acc;
  }
#else
  // Without masked additions: ones, or all bits, in the lanes that are set.
  static constexpr bool kFused = HWY_NATIVE_FMA && std::is_same_v<T, float>;
  using Input = Vector;
  static HWY_INLINE Input load(const char* at, int part) {
    using Bits = std::conditional_t<(kGroup > 16), uint32_t, uint16_t>;
    Bits bits;
    std::memcpy(&bits, at, sizeof bits);
    const uint64_t set = static_cast<uint64_t>(bits) >> part;
    const auto mask = hn::LoadMaskBits(tag(), reinterpret_cast<const uint8_t*>(&set));
    if constexpr (kFused) return hn::IfThenElseZero(mask, hn::Set(tag(), T{1}));
    return hn::VecFromMask(tag(), mask);
  }
  template <bool>
  static HWY_INLINE Vector add(Vector acc, Vector w, Input x) {
    if constexpr (kFused) return exact_fma(tag(), w, x, acc);
    return hn::Add(acc, hn::And(w, x));
  }
#endif
};

// Real values.
struct Real {
  using Number = float;
  using Vector = V;
  using Input = V;
  static constexpr Floats tag() { return {}; }
  static constexpr int kLanes = static_cast<int>(HWY_MIN(16, HWY_LANES(float)));
  static constexpr int kGroup = 16;
  static constexpr bool kAnyOrder = false;

  static const float* taps(const PackedDepthwise& p) { return p.taps.f32().data(); }
  static int64_t pixel_bytes(int64_t channels) { return 4 * padded(channels); }
  static int64_t channel_bytes(int64_t c) { return 4 * c; }
  template <class To>
  static HWY_INLINE void as_floats(Vector sums, To to) {
    to(0, sums);
  }
  static HWY_INLINE Input load(const char* at, int part) {
    return hn::LoadU(kD, reinterpret_cast<const float*>(at) + part);
  }
  template <bool>
  static HWY_INLINE Vector add(Vector acc, Vector w, Input x) {
    return exact_fma(w, x, acc);
  }
};

}  // namespace HWY_NAMESPACE
}  // namespace spikeloom::cpu
HWY_AFTER_NAMESPACE();

#endif
