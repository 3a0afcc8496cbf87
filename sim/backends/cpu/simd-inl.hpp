// Vectors of the target a kernel file is being compiled for, the exact multiply-add, and what
// follows a main sum.
//
// finish(): per output, in this order and with one rounding each: * factor, + addend of each pair
// (packed.hpp); + other; then either the real value is stored, or the neuron steps
// (neurons/simple_lif.hpp) and its spikes are packed 16 channels at a time, or both. Vectors run over
// channels; nothing is ever added across lanes.

#if defined(SPIKELOOM_CPU_SIMD_INL) == defined(HWY_TARGET_TOGGLE)
#ifdef SPIKELOOM_CPU_SIMD_INL
#undef SPIKELOOM_CPU_SIMD_INL
#else
#define SPIKELOOM_CPU_SIMD_INL
#endif

#include <hwy/highway.h>

#include <algorithm>
#include <bit>
#include <cmath>
#include <cstring>
#include <limits>

#include "sim/backends/cpu/packed.hpp"
#include "sim/backends/cpu/scratch.hpp"

HWY_BEFORE_NAMESPACE();
namespace spikeloom::cpu {
namespace HWY_NAMESPACE {

namespace hn = hwy::HWY_NAMESPACE;

using Floats = hn::CappedTag<float, 16>;
using V = hn::Vec<Floats>;
constexpr Floats kD;
constexpr int kLanes = static_cast<int>(HWY_MIN(16, HWY_LANES(float)));
static_assert(!HWY_HAVE_SCALABLE, "tiles are counted in vectors of known length");
static_assert(std::endian::native == std::endian::little,
              "spikes are stored and read in 16-bit pieces of words");

// a * b + c with one rounding, whether or not the target has such an instruction.
template <class D, class Vector = hn::Vec<D>>
HWY_INLINE Vector exact_fma(D d, Vector a, Vector b, Vector c) {
#if HWY_NATIVE_FMA
  (void)d;
  return hn::MulAdd(a, b, c);
#else
  HWY_ALIGN hn::TFromD<D> x[hn::MaxLanes(d)], y[hn::MaxLanes(d)], z[hn::MaxLanes(d)];
  hn::Store(a, d, x);
  hn::Store(b, d, y);
  hn::Store(c, d, z);
  for (size_t i = 0; i < hn::Lanes(d); ++i) z[i] = std::fma(x[i], y[i], z[i]);
  return hn::Load(d, z);
#endif
}
HWY_INLINE V exact_fma(V a, V b, V c) {
  return exact_fma(kD, a, b, c);
}

#include "core/ordered_math-inl.hpp"

// The lanes of core/ordered_math.hpp.
struct SimdLanes {
  using V = hn::Vec<Floats>;
  using Mask = hn::Mask<Floats>;
  static HWY_INLINE V fill(float value) { return hn::Set(kD, value); }
  static HWY_INLINE V add(V a, V b) { return hn::Add(a, b); }
  static HWY_INLINE V sub(V a, V b) { return hn::Sub(a, b); }
  static HWY_INLINE V mul(V a, V b) { return hn::Mul(a, b); }
  static HWY_INLINE V div(V a, V b) { return hn::Div(a, b); }
  static HWY_INLINE V fma(V a, V b, V c) { return exact_fma(a, b, c); }
  static HWY_INLINE Mask at_most(V a, V b) { return hn::Le(a, b); }
  static HWY_INLINE V select(Mask mask, V a, V b) { return hn::IfThenElse(mask, a, b); }
  static HWY_INLINE V times_power(V p, V t) {
    const hn::RebindToUnsigned<Floats> bits;
    const auto shifted = hn::ShiftLeft<23>(hn::BitCast(bits, t));
    return hn::BitCast(kD, hn::Add(hn::BitCast(bits, p), shifted));
  }
};

// The bits of a mask, lane 0 lowest.
template <class M>
HWY_INLINE uint32_t mask_bits(M mask) {
#if HWY_TARGET == HWY_AVX3
  if constexpr (kLanes == 16) return static_cast<uint32_t>(mask.raw);
#endif
  uint8_t bytes[8] = {};
  hn::StoreMaskBits(kD, mask, bytes);
  return static_cast<uint32_t>(bytes[0]) | static_cast<uint32_t>(bytes[1]) << 8;
}

// The mask of such bits, for lanes of 32 bits.
template <class D>
HWY_INLINE hn::Mask<D> mask_of_bits(D d, uint64_t bits) {
#if HWY_TARGET == HWY_AVX3
  if constexpr (hn::MaxLanes(d) == 16) return hn::Mask<D>{static_cast<__mmask16>(bits)};
#endif
  return hn::LoadMaskBits(d, reinterpret_cast<const uint8_t*>(&bits));
}

// 16 channels of a spike row from `channel` (a multiple of 16) on.
HWY_INLINE uint32_t load_bits16(const uint64_t* row, int64_t channel) {
  uint16_t bits;
  std::memcpy(&bits, reinterpret_cast<const char*>(row) + channel / 8, sizeof bits);
  return bits;
}

HWY_INLINE void store_bits16(uint64_t* row, int64_t channel, uint32_t value) {
  const auto bits = static_cast<uint16_t>(value);
  std::memcpy(reinterpret_cast<char*>(row) + channel / 8, &bits, sizeof bits);
}

// How a membrane takes its input; kNone: no neuron. kCommon is kDecayInput that rests at, and is
// reset to, 0: the neuron of the published networks.
enum class Charge { kNone, kAdd, kCommon, kDecayInput, kDecay, kDecayToRest };

// Neuron constants spread over lanes. Both rules of firing are h > limit (h >= t is h > the float
// below t), both resets are (h & kept) + after (h - t is h + -t): no branches where vectors step.
struct SimdNeuron {
  V rest, decay, keep, limit, kept, after;
  Charge charge;
};

HWY_INLINE Charge charge_of(const SimpleLif& p) {
  switch (p.charge) {
    case SimpleLif::Charge::kAdd: return Charge::kAdd;
    case SimpleLif::Charge::kDecay: return Charge::kDecay;
    case SimpleLif::Charge::kDecayToRest: return Charge::kDecayToRest;
    default: break;
  }
  const auto is_zero = [](float value) { return value == 0.0f && !std::signbit(value); };
  return p.hard && is_zero(p.rest) && is_zero(p.v_reset) ? Charge::kCommon : Charge::kDecayInput;
}

HWY_INLINE SimdNeuron spread(const SimpleLif& p) {
  const hn::RebindToUnsigned<Floats> bits;
  const bool at_threshold = p.fire == FireRule::kAtThreshold;
  constexpr float kLowest = -std::numeric_limits<float>::infinity();
  return {hn::Set(kD, p.rest),
          hn::Set(kD, p.decay),
          hn::Set(kD, p.keep),
          hn::Set(kD, at_threshold ? std::nextafter(p.v_threshold, kLowest) : p.v_threshold),
          hn::BitCast(kD, hn::Set(bits, p.hard ? 0u : ~0u)),
          hn::Set(kD, p.hard ? p.v_reset : -p.v_threshold),
          charge_of(p)};
}

// neurons/lif-inl.hpp and if-inl.hpp, step(): operation for operation.
template <Charge charge>
HWY_INLINE hn::Mask<Floats> step(const SimdNeuron& n, V x, V& v) {
  V h;
  if constexpr (charge == Charge::kAdd) {
    h = hn::Add(v, x);
  } else if constexpr (charge == Charge::kCommon) {
    h = hn::Add(v, hn::Mul(hn::Sub(x, v), n.decay));
  } else if constexpr (charge == Charge::kDecayInput) {
    h = hn::Add(v, hn::Mul(hn::Sub(x, hn::Sub(v, n.rest)), n.decay));
  } else if constexpr (charge == Charge::kDecay) {
    h = hn::Add(hn::Mul(v, n.keep), x);
  } else {
    h = hn::Add(hn::Sub(v, hn::Mul(hn::Sub(v, n.rest), n.decay)), x);
  }
  const auto fired = hn::Gt(h, n.limit);
  v = charge == Charge::kCommon ? hn::IfThenZeroElse(fired, h)
                                : hn::IfThenElse(fired, hn::Add(hn::And(h, n.kept), n.after), h);
  return fired;
}

// run(the neuron's Charge as a constant of the compiler): loops branch on it once, not per vector.
template <class F>
HWY_INLINE auto with_charge(const SimdNeuron& n, F run) {
  switch (n.charge) {
    case Charge::kNone: return run(std::integral_constant<Charge, Charge::kNone>{});
    case Charge::kAdd: return run(std::integral_constant<Charge, Charge::kAdd>{});
    case Charge::kCommon: return run(std::integral_constant<Charge, Charge::kCommon>{});
    case Charge::kDecayInput: return run(std::integral_constant<Charge, Charge::kDecayInput>{});
    case Charge::kDecay: return run(std::integral_constant<Charge, Charge::kDecay>{});
    default: return run(std::integral_constant<Charge, Charge::kDecayToRest>{});
  }
}

struct EpilogueRow;
struct Epilogue;
// Finishes outputs [first, first + width) (multiples of 16, within padded(channels)) of a row at
// `steps` steps, the first of which `row` names. Main sums of a step stand at `sums`, those of the
// next one `stride` further; stride 0: all steps have the same.
using FinishSteps = void (*)(const Epilogue& e, const EpilogueRow& row, const float* sums,
                             int64_t stride, int64_t steps, int64_t first, int64_t width);

// The epilogue of one call: packed arrays and where the values lie. Null: absent. Hot loops work on
// a copy of their own, which no store can alias.
struct Epilogue {
  SimdNeuron neuron;
  const float* affine;  // [pairs][2][row_floats]
  int pairs;
  const float* other;
  float *real, *state;
  uint64_t* spikes;
  bool brief;     // membranes start at rest and are not wanted after the last step
  int64_t steps;  // of the call
  int64_t other_stride, real_stride, spike_stride;  // per step
  int64_t channels, row_floats, row_words;
  FinishSteps finish;  // with exactly these parts

  Epilogue(const PackedEpilogue& p, const UnitIo& io);  // finish.cpp
};

// Where the epilogue of one row at one step reads and writes. Null: absent.
struct EpilogueRow {
  const float* other;
  float *real, *state;
  uint64_t* spikes;
  int64_t step;
};

HWY_INLINE EpilogueRow row_of(const Epilogue& e, int64_t at_step, int64_t row) {
  const int64_t floats = e.row_floats * row;
  return {e.other == nullptr ? nullptr : e.other + at_step * e.other_stride + floats,
          e.real == nullptr ? nullptr : e.real + at_step * e.real_stride + floats,
          e.state == nullptr ? nullptr : e.state + floats,
          e.spikes == nullptr ? nullptr : e.spikes + at_step * e.spike_stride + row * e.row_words,
          at_step};
}

// Asks for what finishing outputs [o, o + outputs) of a row will read: states and residuals are as
// large as the layer's output and come from far caches.
HWY_INLINE void prefetch(const Epilogue& e, int64_t at_step, int64_t row, int64_t o,
                         int64_t outputs) {
  const bool state = e.state != nullptr && !e.brief;
  if (!state && e.other == nullptr) return;
  const EpilogueRow at = row_of(e, at_step, row);
  for (int64_t c = o; c < o + outputs; c += 16) {
    if (state && at_step == 0) __builtin_prefetch(at.state + c, 1, 2);
    if (e.other != nullptr) __builtin_prefetch(at.other + c, 0, 2);
  }
}

// Whether the main sums are the results: they may be stored at once.
HWY_INLINE bool stores_sums(const Epilogue& e) {
  return e.pairs == 0 && e.other == nullptr && e.spikes == nullptr;
}

// Finishes outputs [first, first + width) of `rows` rows at one step. Row i of the call is row `row
// + i * row_step` of the value; its main sums stand at sums + i * sum_stride.
HWY_INLINE void finish(const Epilogue& e, const float* sums, int64_t sum_stride, int64_t at_step,
                       int64_t row, int64_t row_step, int64_t rows, int64_t first, int64_t width) {
  for (int64_t i = 0; i < rows; ++i)
    e.finish(e, row_of(e, at_step, row + i * row_step), sums + i * sum_stride, 0, 1, first, width);
}

}  // namespace HWY_NAMESPACE
}  // namespace spikeloom::cpu
HWY_AFTER_NAMESPACE();

#endif
