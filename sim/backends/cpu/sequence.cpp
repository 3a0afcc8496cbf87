#include "sim/backends/cpu/sequence.hpp"

#include "core/parallel.hpp"
#include "sim/backends/cpu/targets.hpp"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "sim/backends/cpu/sequence.cpp"
#include <hwy/foreach_target.h>

#include "sim/backends/cpu/rows-inl.hpp"

HWY_BEFORE_NAMESPACE();
namespace spikeloom::cpu {
namespace HWY_NAMESPACE {

inline const float* make_row(const PackedEmbedding& p, const Rows& rows, int64_t t, int64_t,
                             float*) {
  return p.table.f32().data() + static_cast<int64_t>(rows.io.in[0].real_at(t)[0]) * rows.floats;
}

inline const float* make_row(const PackedDelay& p, const Rows& rows, int64_t t, int64_t row,
                             float* to) {
  if (p.by_element.empty()) return rows.in(0, t - p.steps, row);
  const int64_t* steps = p.by_element.data() + row * rows.channels;
  for (int64_t c = 0; c < rows.channels; ++c) to[c] = rows.in(0, t - steps[c], row)[c];
  clear_tail(rows, to);
  return to;
}

// Spikes of earlier steps.
void delay_spikes(const PackedDelay& p, const UnitIo& io) {
  const ValueRef& in = io.in[0];
  const int64_t words = words_for(in.channels);
  for (int64_t t = 0; t < io.steps; ++t) {
    uint64_t* to = io.spikes.bits_at(t).words;
    if (p.by_element.empty()) {
      std::copy_n(in.bits_at(t - p.steps).words, in.rows * words, to);
      continue;
    }
    std::fill_n(to, in.rows * words, uint64_t{0});
    for (int64_t row = 0; row < in.rows; ++row) {
      for (int64_t c = 0; c < in.channels; ++c) {
        const int64_t at = row * words + (c >> 6);
        const int64_t steps = p.by_element[static_cast<size_t>(row * in.channels + c)];
        to[at] |= in.bits_at(t - steps).words[at] & uint64_t{1} << (c & 63);
      }
    }
  }
}

inline const float* make_row(const PackedTokenMix& p, const Rows& rows, int64_t t, int64_t row,
                             float* to) {
  const float *a = rows.in(0, t, row), *b = rows.in(1, t, row);
  const float *mix = p.mix.f32().data(), *rest = p.rest.f32().data();
  each_vector(rows.floats, to, [&](int64_t c) {
    return hn::Add(hn::Mul(hn::LoadU(kD, a + c), hn::LoadU(kD, mix + c)),
                   hn::Mul(hn::LoadU(kD, b + c), hn::LoadU(kD, rest + c)));
  });
  return to;
}

HWY_INLINE V larger(V a, V b) {
  return hn::IfThenElse(hn::Le(a, b), b, a);
}

HWY_INLINE V exp_of(V x) {
  return ordered_exp<SimdLanes>(x);
}

inline const float* make_row(const PackedWkv& packed, const Rows& rows, int64_t t, int64_t row,
                             float* to) {
  const float *keys = rows.in(0, t, row), *values = rows.in(1, t, row);
  const float *decay = packed.decay.f32().data(), *first = packed.first.f32().data();
  const int64_t slot = rows.io.in[0].rows * rows.floats;
  float* state = rows.io.state + row * rows.floats;
  each_vector(rows.floats, to, [&](int64_t c) {
    const V k = hn::LoadU(kD, keys + c), v = hn::LoadU(kD, values + c);
    const V p = hn::LoadU(kD, state + c), q = hn::LoadU(kD, state + slot + c),
            o = hn::LoadU(kD, state + 2 * slot + c);
    const V e = hn::Add(hn::LoadU(kD, first + c), k), n = larger(o, e);
    const V a = exp_of(hn::Sub(o, n)), b = exp_of(hn::Sub(e, n));
    const V d = hn::Add(o, hn::LoadU(kD, decay + c)), next = larger(d, k);
    const V decayed = exp_of(hn::Sub(d, next)), added = exp_of(hn::Sub(k, next));
    hn::StoreU(exact_fma(decayed, p, hn::Mul(added, v)), kD, state + c);
    hn::StoreU(exact_fma(decayed, q, added), kD, state + slot + c);
    hn::StoreU(next, kD, state + 2 * slot + c);
    return hn::Div(exact_fma(a, p, hn::Mul(b, v)), exact_fma(a, q, b));
  });
  return to;
}

// Folds 32 lanes, given as vectors, by 16, 8, 4, 2, 1.
HWY_INLINE float fold(const V* parts) {
  HWY_ALIGN float lane[32];
  for (int i = 0; i < 32 / kLanes; ++i) hn::Store(parts[i], kD, lane + i * kLanes);
  for (int half = 16; half > 0; half /= 2) {
    for (int l = 0; l < half; ++l) lane[l] += lane[l + half];
  }
  return lane[0];
}

// Sum over the channels, on 32 lanes, of f(sum so far, first channel of the vector). f must leave
// the sum alone behind the last channel.
template <typename F>
HWY_INLINE float sum_lanes(int64_t floats, F f) {
  V parts[32 / kLanes];
  for (V& part : parts) part = hn::Zero(kD);
  for (int64_t c = 0; c < floats; c += kLanes) {
    V& part = parts[c % 32 / kLanes];
    part = f(part, c);
  }
  return fold(parts);
}

inline const float* make_row(const PackedLayerNorm& p, const Rows& rows, int64_t t, int64_t row,
                             float* to) {
  const float* x = rows.real_in(0, t, row, to);
  const auto channels = static_cast<float>(p.channels);
  const float mean =
      sum_lanes(rows.floats, [&](V sum, int64_t c) { return hn::Add(sum, hn::LoadU(kD, x + c)); }) /
      channels;
  const V center = hn::Set(kD, mean);
  each_vector(rows.floats, to, [&](int64_t c) { return hn::Sub(hn::LoadU(kD, x + c), center); });
  clear_tail(rows, to);
  const float variance = sum_lanes(rows.floats,
                                   [&](V sum, int64_t c) {
                                     const V d = hn::LoadU(kD, to + c);
                                     return exact_fma(d, d, sum);
                                   }) /
                         channels;
  const V inverse = hn::Set(kD, 1.0f / std::sqrt(variance + p.eps));
  const float *scale = p.scale.f32().data(), *shift = p.shift.f32().data();
  each_vector(rows.floats, to, [&](int64_t c) {
    const V y = hn::Mul(hn::Mul(hn::LoadU(kD, to + c), inverse), hn::LoadU(kD, scale + c));
    return hn::Add(y, hn::LoadU(kD, shift + c));
  });
  clear_tail(rows, to);
  return to;
}

// Bits of the channels of one row.
inline void threshold_row(FireRule fire, const float* thresholds, const float* from,
                          int64_t channels, uint64_t* bits) {
  for (int64_t c = 0; c < words_for(channels) * 64; c += 16) {
    uint32_t fired = 0;
    for (int lane = 0; lane < 16 && c < channels; lane += kLanes) {
      const V x = hn::LoadU(kD, from + c + lane), threshold = hn::LoadU(kD, thresholds + c + lane);
      const auto mask =
          fire == FireRule::kAtThreshold ? hn::Ge(x, threshold) : hn::Gt(x, threshold);
      fired |= mask_bits(mask) << lane;
    }
    const int64_t left = channels - c;
    store_bits16(bits, c, left >= 16 ? fired : left <= 0 ? 0 : fired & ((1u << left) - 1));
  }
}

void threshold(const PackedThreshold& p, const PackedEpilogue& packed, const UnitIo& io) {
  const Rows rows{io, packed.channels, padded(packed.channels)};
  parallel_for(io.in[0].rows, std::max<int64_t>(1, 4096 / rows.floats), io.threads,
               [&](int64_t first, int64_t last) {
                 for (int64_t t = 0; t < io.steps; ++t) {
                   for (int64_t row = first; row < last; ++row) {
                     threshold_row(p.fire, p.thresholds.row(row), rows.in(0, t, row), rows.channels,
                                   io.spikes.bits_at(t).row(row));
                   }
                 }
               });
}

void sequence(const PackedUnit& unit, const UnitIo& io) {
  const PackedEpilogue& e = unit.epilogue;
  const int64_t rows = io.in[0].rows;
  if (const auto* p = std::get_if<PackedEmbedding>(&unit.main)) run_rows(*p, e, io, rows);
  if (const auto* p = std::get_if<PackedThreshold>(&unit.main)) threshold(*p, e, io);
  if (const auto* p = std::get_if<PackedLayerNorm>(&unit.main)) run_rows(*p, e, io, rows);
  if (const auto* p = std::get_if<PackedDelay>(&unit.main)) {
    if (io.in[0].bits != nullptr) {
      delay_spikes(*p, io);
    } else {
      run_rows(*p, e, io, rows);
    }
  }
  if (const auto* p = std::get_if<PackedTokenMix>(&unit.main)) run_rows(*p, e, io, rows);
  if (const auto* p = std::get_if<PackedWkv>(&unit.main)) run_rows(*p, e, io, rows);
}

}  // namespace HWY_NAMESPACE
}  // namespace spikeloom::cpu
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace spikeloom::cpu {

SequenceKernel sequence_for(int64_t target) {
  SPIKELOOM_PICK(target, sequence);
}

}  // namespace spikeloom::cpu
#endif
