// The epilogue of a row, once for every set of parts it can have: tested per call, not per vector.

#include "sim/backends/cpu/targets.hpp"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "sim/backends/cpu/finish.cpp"
#include <hwy/foreach_target.h>

#include "sim/backends/cpu/simd-inl.hpp"

HWY_BEFORE_NAMESPACE();
namespace spikeloom::cpu {
namespace HWY_NAMESPACE {
namespace {

template <int kPairs, bool kOther, bool kReal, Charge kCharge>
void finish_row_as(const Epilogue& e, const EpilogueRow& row, const float* sums, int64_t first,
                   int64_t width) {
  const SimdNeuron neuron = e.neuron;
  const int64_t floats = e.row_floats;
  const float *pairs = kPairs > 0 ? e.affine + first : nullptr,
              *other = kOther ? row.other + first : nullptr;
  float *real = kReal ? row.real + first : nullptr,
        *state = kCharge != Charge::kNone ? row.state + first : nullptr;
  auto* bits = reinterpret_cast<char*>(row.spikes) + static_cast<uint64_t>(first) / 8;
#pragma GCC unroll 4
  for (int64_t c = 0; c < width; c += 16) {
    uint32_t fired = 0;
#pragma GCC unroll 16
    for (int lane = 0; lane < 16; lane += kLanes) {
      const int64_t at = c + lane;
      V y = hn::LoadU(kD, sums + at);
#pragma GCC unroll 2
      for (int pair = 0; pair < kPairs; ++pair) {
        const float* from = pairs + 2 * pair * floats + at;
        y = hn::Add(hn::Mul(y, hn::LoadU(kD, from)), hn::LoadU(kD, from + floats));
      }
      if constexpr (kOther) y = hn::Add(y, hn::LoadU(kD, other + at));
      if constexpr (kReal) hn::StoreU(y, kD, real + at);
      if constexpr (kCharge != Charge::kNone) {
        V v = hn::LoadU(kD, state + at);
        fired |= mask_bits(step<kCharge>(neuron, y, v)) << lane;
        hn::StoreU(v, kD, state + at);
      }
    }
    if constexpr (kCharge != Charge::kNone) {
      asm("" : "+r"(fired));
      std::memcpy(bits, &fired, 2);
      bits += 2;
    }
  }
  if (kCharge != Charge::kNone && first + width == floats) {
    for (int64_t c = floats; c < e.row_words * 64; c += 16) store_bits16(row.spikes, c, 0);
    if (const int64_t rest = e.channels % 16; rest > 0) {  // padding may have fired
      const int64_t last = e.channels - rest;
      store_bits16(row.spikes, last, load_bits16(row.spikes, last) & ((1u << rest) - 1));
    }
  }
}

template <int kPairs, bool kOther, bool kReal>
FinishRow with_neuron(const SimdNeuron& neuron) {
  return with_charge(neuron, [](auto charge) -> FinishRow {
    return finish_row_as<kPairs, kOther, kReal, decltype(charge)::value>;
  });
}

template <int kPairs>
FinishRow with_pairs(const Epilogue& e) {
  if (e.other != nullptr)
    return e.real != nullptr ? with_neuron<kPairs, true, true>(e.neuron)
                             : with_neuron<kPairs, true, false>(e.neuron);
  return e.real != nullptr ? with_neuron<kPairs, false, true>(e.neuron)
                           : with_neuron<kPairs, false, false>(e.neuron);
}

}  // namespace

Epilogue::Epilogue(const PackedEpilogue& p, const UnitIo& io)
    : neuron(spread(p.neuron)),
      affine(p.pairs > 0 ? p.affine.f32().data() : nullptr),
      pairs(p.pairs),
      other(p.adds_other ? io.other.real : nullptr),
      real(io.real.real),
      state(p.fires ? io.state : nullptr),
      spikes(p.fires ? io.spikes.bits : nullptr),
      other_stride(io.other.step_stride),
      real_stride(io.real.step_stride),
      spike_stride(io.spikes.step_stride),
      channels(p.channels),
      row_floats(padded(p.channels)),
      row_words(words_for(p.channels)) {
  if (!p.fires) neuron.charge = Charge::kNone;
  finish_row = pairs == 0   ? with_pairs<0>(*this)
               : pairs == 1 ? with_pairs<1>(*this)
                            : with_pairs<2>(*this);
}

}  // namespace HWY_NAMESPACE
}  // namespace spikeloom::cpu
HWY_AFTER_NAMESPACE();
