// The epilogue, once for every set of parts it can have: tested per call, not per vector.

#include "sim/backends/cpu/targets.hpp"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "sim/backends/cpu/finish.cpp"
#include <hwy/foreach_target.h>

#include "sim/backends/cpu/simd-inl.hpp"

HWY_BEFORE_NAMESPACE();
namespace spikeloom::cpu {
namespace HWY_NAMESPACE {
namespace {

struct Strides {
  int64_t row_floats, other_stride, real_stride, spike_stride;
};

// 16 * kSixteens outputs from `c` on at all steps: their membranes stay in registers. They come
// from `start` and go to `end`; null: from rest, to nowhere.
template <int kPairs, bool kOther, bool kReal, Charge kCharge, int kSixteens>
HWY_INLINE void finish_block(const float* affine, const Strides& e, const EpilogueRow& row,
                             const SimdNeuron& neuron, const float* sums, int64_t stride,
                             int64_t steps, const float* start, float* end, int64_t c) {
  constexpr int kVectors = 16 * kSixteens / kLanes;
  constexpr bool kFires = kCharge != Charge::kNone;
  const float *pairs = kPairs > 0 ? affine + c : nullptr, *other = kOther ? row.other + c : nullptr;
  float* real = kReal ? row.real + c : nullptr;
  auto* bits =
      kFires ? reinterpret_cast<char*>(row.spikes) + static_cast<uint64_t>(c) / 8 : nullptr;
  V v[kVectors];
#pragma GCC unroll 64
  for (int i = 0; i < kVectors; ++i)
    v[i] = kFires && start != nullptr ? hn::LoadU(kD, start + c + i * kLanes) : neuron.rest;
#pragma GCC unroll 1
  for (int64_t s = 0; s < steps; ++s) {
    uint32_t fired[kSixteens] = {};
#pragma GCC unroll 64
    for (int i = 0; i < kVectors; ++i) {
      const int at = i * kLanes;
      V y = hn::LoadU(kD, sums + at);
#pragma GCC unroll 2
      for (int pair = 0; pair < kPairs; ++pair) {
        const float* from = pairs + 2 * pair * e.row_floats + at;
        y = hn::Add(hn::Mul(y, hn::LoadU(kD, from)), hn::LoadU(kD, from + e.row_floats));
      }
      if constexpr (kOther) y = hn::Add(y, hn::LoadU(kD, other + at));
      if constexpr (kReal) hn::StoreU(y, kD, real + at);
      if constexpr (kFires) fired[at / 16] |= mask_bits(step<kCharge>(neuron, y, v[i])) << at % 16;
    }
    sums += stride;
    if constexpr (kOther) other += e.other_stride;
    if constexpr (kReal) real += e.real_stride;
    if constexpr (kFires) {
#pragma GCC unroll 4
      for (int i = 0; i < kSixteens; ++i) std::memcpy(bits + 2 * i, &fired[i], 2);
      bits += e.spike_stride * 8;
    }
  }
#pragma GCC unroll 64
  for (int i = 0; i < kVectors && kFires && end != nullptr; ++i)
    hn::StoreU(v[i], kD, end + c + i * kLanes);
}

// What stands behind the last channel of spike rows: padding may have fired.
inline void clear_padding(const Epilogue& e, uint64_t* row, int64_t steps) {
  for (int64_t s = 0; s < steps; ++s, row += e.spike_stride) {
    for (int64_t c = e.row_floats; c < e.row_words * 64; c += 16) store_bits16(row, c, 0);
    if (const int64_t rest = e.channels % 16; rest > 0) {
      const int64_t last = e.channels - rest;
      store_bits16(row, last, load_bits16(row, last) & ((1u << rest) - 1));
    }
  }
}

template <int kPairs, bool kOther, bool kReal, Charge kCharge>
void finish_steps_as(const Epilogue& e, const EpilogueRow& row, const float* sums, int64_t stride,
                     int64_t steps, int64_t first, int64_t width) {
  const SimdNeuron neuron = e.neuron;
  const Strides strides{e.row_floats, e.other_stride, e.real_stride, e.spike_stride};
  const float* affine = e.affine;
  const EpilogueRow own = row;
  const float* start = e.brief && row.step == 0 ? nullptr : row.state;
  float* end = e.brief && row.step + steps == e.steps ? nullptr : row.state;
  int64_t c = first;
  if constexpr (kLanes >= 8) {  // one lane at a time needs no more than sixteen to unroll
    for (; c + 64 <= first + width; c += 64, sums += 64)
      finish_block<kPairs, kOther, kReal, kCharge, 4>(affine, strides, own, neuron, sums, stride,
                                                      steps, start, end, c);
  }
  for (; c < first + width; c += 16, sums += 16)
    finish_block<kPairs, kOther, kReal, kCharge, 1>(affine, strides, own, neuron, sums, stride,
                                                    steps, start, end, c);
  if (kCharge != Charge::kNone && first + width == e.row_floats)
    clear_padding(e, row.spikes, steps);
}

template <int kPairs, bool kOther, bool kReal>
FinishSteps with_neuron(const SimdNeuron& neuron) {
  return with_charge(neuron, [](auto charge) -> FinishSteps {
    return finish_steps_as<kPairs, kOther, kReal, decltype(charge)::value>;
  });
}

template <int kPairs>
FinishSteps with_pairs(const Epilogue& e) {
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
      brief(io.brief),
      steps(io.steps),
      other_stride(io.other.step_stride),
      real_stride(io.real.step_stride),
      spike_stride(io.spikes.step_stride),
      channels(p.channels),
      row_floats(padded(p.channels)),
      row_words(words_for(p.channels)) {
  if (!p.fires) neuron.charge = Charge::kNone;
  finish = pairs == 0   ? with_pairs<0>(*this)
           : pairs == 1 ? with_pairs<1>(*this)
                        : with_pairs<2>(*this);
}

}  // namespace HWY_NAMESPACE
}  // namespace spikeloom::cpu
HWY_AFTER_NAMESPACE();
