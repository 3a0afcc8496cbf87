// Vectors of the target a kernel file is being compiled for, the exact multiply-add, and what
// follows a main sum.
//
// finish(): per output, in this order and with one rounding each: * weight scale; + bias; * scale;
// + shift; + other; then either the real value is stored, or the neuron steps (neurons/neuron.hpp)
// and its spikes are packed 16 channels at a time, or both. Vectors run over channels; nothing is
// ever added across lanes.

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

// How a membrane takes its input.
enum class Charge { kAdd, kDecayInput, kDecayToZero, kDecayToRest };

// Neuron constants spread over lanes. Both rules of firing are h > limit (h >= t is h > the float
// below t), both resets are (h & kept) + after (h - t is h + -t): no branches where vectors step.
struct SimdNeuron {
  V rest, decay, keep, limit, kept, after;
  Charge charge;
};

HWY_INLINE SimdNeuron spread(const NeuronParams& p) {
  const hn::RebindToUnsigned<Floats> bits;
  const bool at_threshold = p.fire == FireRule::kAtThreshold, hard = p.reset == Reset::kHard;
  constexpr float kLowest = -std::numeric_limits<float>::infinity();
  return {hn::Set(kD, p.v_rest()),
          hn::Set(kD, p.decay),
          hn::Set(kD, 1.0f - p.decay),
          hn::Set(kD, at_threshold ? std::nextafter(p.v_threshold, kLowest) : p.v_threshold),
          hn::BitCast(kD, hn::Set(bits, hard ? 0u : ~0u)),
          hn::Set(kD, hard ? p.v_reset : -p.v_threshold),
          p.model == NeuronModel::kIf ? Charge::kAdd
          : p.decay_input             ? Charge::kDecayInput
          : p.v_rest() == 0.0f        ? Charge::kDecayToZero
                                      : Charge::kDecayToRest};
}

// neurons/neuron.hpp, step(): operation for operation.
template <Charge charge>
HWY_INLINE hn::Mask<Floats> step(const SimdNeuron& n, V x, V& v) {
  V h;
  if constexpr (charge == Charge::kAdd) {
    h = hn::Add(v, x);
  } else if constexpr (charge == Charge::kDecayInput) {
    h = hn::Add(v, hn::Mul(hn::Sub(x, hn::Sub(v, n.rest)), n.decay));
  } else if constexpr (charge == Charge::kDecayToZero) {
    h = hn::Add(hn::Mul(v, n.keep), x);
  } else {
    h = hn::Add(hn::Sub(v, hn::Mul(hn::Sub(v, n.rest), n.decay)), x);
  }
  const auto fired = hn::Gt(h, n.limit);
  v = hn::IfThenElse(fired, hn::Add(hn::And(h, n.kept), n.after), h);
  return fired;
}

// run(the neuron's Charge as a constant of the compiler).
template <class F>
HWY_INLINE auto with_charge(const SimdNeuron& n, F run) {
  switch (n.charge) {
    case Charge::kAdd: return run(std::integral_constant<Charge, Charge::kAdd>{});
    case Charge::kDecayInput: return run(std::integral_constant<Charge, Charge::kDecayInput>{});
    case Charge::kDecayToZero: return run(std::integral_constant<Charge, Charge::kDecayToZero>{});
    default: return run(std::integral_constant<Charge, Charge::kDecayToRest>{});
  }
}

HWY_INLINE hn::Mask<Floats> step(const SimdNeuron& n, V x, V& v) {
  return with_charge(
      n, [&](auto charge)
             __attribute__((always_inline)) { return step<decltype(charge)::value>(n, x, v); });
}

// The epilogue of one call: packed arrays and where the values lie.
struct Epilogue {
  const PackedEpilogue& packed;
  const UnitIo& io;
  SimdNeuron neuron;
  bool stores_real;

  HWY_INLINE Epilogue(const PackedEpilogue& p, const UnitIo& unit_io)
      : packed(p),
        io(unit_io),
        neuron(spread(p.neuron)),
        stores_real(unit_io.real.real != nullptr) {}
};

// Finishes outputs [first, first + width) (multiples of 16, within padded(channels)) of `rows` rows
// at one step. Row i of the call is row `row + i * row_step` of the value; its main sums stand at
// sums + i * sum_stride.
HWY_NOINLINE inline void finish(const Epilogue& e, const float* sums, int64_t sum_stride,
                                int64_t at_step, int64_t row, int64_t row_step, int64_t rows,
                                int64_t first, int64_t width) {
  const int64_t channels = e.packed.channels, row_floats = padded(channels);
  const float* weight_scale =
      e.packed.weight_scale.size() == 0 ? nullptr : e.packed.weight_scale.f32().data();
  const float* bias = e.packed.bias.size() == 0 ? nullptr : e.packed.bias.f32().data();
  const float* scale = e.packed.scale.size() == 0 ? nullptr : e.packed.scale.f32().data();
  const float* shift = scale == nullptr ? nullptr : e.packed.shift.f32().data();
  const float* other = e.packed.adds_other ? e.io.other.real_at(at_step) : nullptr;
  float* real = e.stores_real ? e.io.real.real_at(at_step) : nullptr;
  const bool fires = e.packed.fires;
  uint64_t* spikes = fires ? e.io.spikes.bits + at_step * e.io.spikes.step_stride : nullptr;
  const int64_t row_words = words_for(channels);
  for (int64_t i = 0; i < rows; ++i) {
    const int64_t r = row + i * row_step;
    const float* from = sums + i * sum_stride;
    for (int64_t c = first; c < first + width; c += 16) {
      uint32_t fired = 0;
      for (int lane = 0; lane < 16; lane += kLanes) {
        const int64_t at = c + lane;
        V y = hn::LoadU(kD, from + (at - first));
        if (weight_scale != nullptr) y = hn::Mul(y, hn::LoadU(kD, weight_scale + at));
        if (bias != nullptr) y = hn::Add(y, hn::LoadU(kD, bias + at));
        if (scale != nullptr)
          y = hn::Add(hn::Mul(y, hn::LoadU(kD, scale + at)), hn::LoadU(kD, shift + at));
        if (other != nullptr) y = hn::Add(y, hn::LoadU(kD, other + r * row_floats + at));
        if (real != nullptr) hn::StoreU(y, kD, real + r * row_floats + at);
        if (fires) {
          float* state = e.io.state + r * row_floats + at;
          V v = hn::LoadU(kD, state);
          fired |= mask_bits(step(e.neuron, y, v)) << lane;
          hn::StoreU(v, kD, state);
        }
      }
      if (fires) {
        const int64_t left = channels - c;
        store_bits16(spikes + r * row_words, c, left >= 16 ? fired : fired & ((1u << left) - 1));
      }
    }
    if (fires && first + width == row_floats) {
      for (int64_t c = row_floats; c < row_words * 64; c += 16)
        store_bits16(spikes + r * row_words, c, 0);
    }
  }
}

}  // namespace HWY_NAMESPACE
}  // namespace spikeloom::cpu
HWY_AFTER_NAMESPACE();

#endif
