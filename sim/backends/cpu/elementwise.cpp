#include "sim/backends/cpu/elementwise.hpp"

#include "core/ordered_erf.hpp"
#include "core/parallel.hpp"
#include "sim/backends/cpu/targets.hpp"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "sim/backends/cpu/elementwise.cpp"
#include <hwy/foreach_target.h>

#include "sim/backends/cpu/rows-inl.hpp"

HWY_BEFORE_NAMESPACE();
namespace spikeloom::cpu {
namespace HWY_NAMESPACE {

// One overload per operator: the row of main values, in `to` or in place. Returns where it stands.
inline const float* make_row(const PackedNorm& p, const Rows& rows, int64_t t, int64_t row,
                             float* to) {
  const int64_t out_width = p.in_width + 2 * p.pad;
  const int64_t y = row / out_width - p.pad, x = row % out_width - p.pad;
  const float* shift = p.shift.f32().data();
  if (y < 0 || y >= p.in_height || x < 0 || x >= p.in_width) return shift;
  const float* scale = p.scale.f32().data();
  const float* from = rows.in(0, t, y * p.in_width + x);
  each_vector(rows.floats, to, [&](int64_t c) {
    return hn::Add(hn::Mul(hn::LoadU(kD, from + c), hn::LoadU(kD, scale + c)),
                   hn::LoadU(kD, shift + c));
  });
  return to;
}

inline const float* make_row(const PackedAdd&, const Rows& rows, int64_t t, int64_t row,
                             float* to) {
  const ValueRef &a = rows.io.in[0], &b = rows.io.in[1];
  each_vector(rows.floats, to,
              [&](int64_t c) { return hn::Add(values_at(a, t, row, c), values_at(b, t, row, c)); });
  return to;
}

inline const float* make_row(const PackedScale& p, const Rows& rows, int64_t t, int64_t row,
                             float* to) {
  const ValueRef& from = rows.io.in[0];
  const float* factors = p.factors.row(row);
  each_vector(rows.floats, to, [&](int64_t c) {
    return hn::Mul(values_at(from, t, row, c), hn::LoadU(kD, factors + c));
  });
  return to;
}

inline const float* make_row(const PackedMul&, const Rows& rows, int64_t t, int64_t row,
                             float* to) {
  const float *a = rows.in(0, t, row), *b = rows.in(1, t, row);
  each_vector(rows.floats, to,
              [&](int64_t c) { return hn::Mul(hn::LoadU(kD, a + c), hn::LoadU(kD, b + c)); });
  return to;
}

HWY_INLINE V positive(V x) {
  return hn::IfThenElseZero(hn::Gt(x, hn::Zero(kD)), x);
}

inline const float* make_row(const PackedActivation& p, const Rows& rows, int64_t t, int64_t row,
                             float* to) {
  const float* from = rows.in(0, t, row);
  switch (p.kind) {
    case ActivationKind::kRelu:
      each_vector(rows.floats, to, [&](int64_t c) { return positive(hn::LoadU(kD, from + c)); });
      break;
    case ActivationKind::kReluSquared:
      each_vector(rows.floats, to, [&](int64_t c) {
        const V x = positive(hn::LoadU(kD, from + c));
        return hn::Mul(x, x);
      });
      break;
    case ActivationKind::kSigmoid:
      each_vector(rows.floats, to,
                  [&](int64_t c) { return ordered_sigmoid<SimdLanes>(hn::LoadU(kD, from + c)); });
      clear_tail(rows, to);  // sigmoid(0) is not 0
      break;
    case ActivationKind::kGelu:  // scalar: one implementation for all targets
      for (int64_t c = 0; c < rows.floats; ++c) to[c] = ordered_gelu(from[c]);
      break;
  }
  return to;
}

inline const float* make_row(const PackedConcat&, const Rows& rows, int64_t t, int64_t, float* to) {
  float* at = to;
  for (const ValueRef& in : rows.io.in) {
    if (in.real != nullptr) at = std::copy_n(in.real_at(t), in.channels, at);
    if (in.bits == nullptr) continue;
    for (int64_t c = 0; c < in.channels; ++c)
      *at++ = static_cast<float>(in.bits_at(t).row(0)[c >> 6] >> (c & 63) & 1);
  }
  std::fill(at, to + rows.floats, 0.0f);
  return to;
}

inline const float* make_row(const PackedPositions& p, const Rows& rows, int64_t t, int64_t row,
                             float* to) {
  const int64_t position = p.along_steps ? rows.io.steps_before + t : row;
  const float *from = rows.in(0, t, row), *table = p.table.f32().data() + position * rows.floats;
  each_vector(rows.floats, to, [&](int64_t c) {
    return hn::Add(hn::LoadU(kD, from + c), hn::LoadU(kD, table + c));
  });
  return to;
}

inline const float* make_row(const PackedPrepend& p, const Rows& rows, int64_t t, int64_t row,
                             float*) {
  return row == 0 ? p.row.f32().data() : rows.in(0, t, row - 1);
}

inline const float* make_row(const PackedFirstRow&, const Rows& rows, int64_t t, int64_t, float*) {
  return rows.in(0, t, 0);
}

inline const float* make_row(const PackedStepMean& p, const Rows& rows, int64_t t, int64_t row,
                             float* to) {
  const ValueRef& from = rows.io.in[0];
  float* sums = rows.io.state + row * rows.floats;
  const int64_t step = rows.io.steps_before + t;
  const V steps = hn::Set(kD, static_cast<float>(step + 1));
  each_vector(rows.floats, to, [&](int64_t c) {
    const V x = values_at(from, t, row, c), before = hn::LoadU(kD, sums + c);
    V sum = hn::Add(before, x);
    if (p.mode == StepMode::kMost) {
      const auto stays = hn::Or(hn::Le(x, before), hn::IsNaN(before));
      sum = step == 0 ? x : hn::IfThenElse(hn::And(stays, hn::Eq(x, x)), before, x);
    }
    hn::StoreU(sum, kD, sums + c);
    return p.mode == StepMode::kMean ? hn::Div(sum, steps) : sum;
  });
  return to;
}

// 16 channels from c on.
HWY_INLINE void mean_of_rows(const ValueRef& in, int64_t t, int64_t c, float* to) {
  const int64_t floats = padded(in.channels);
  for (int part = 0; part < 16; part += kLanes) {
    V lanes[32];
    for (V& lane : lanes) lane = hn::Zero(kD);
    const float* from = in.real_at(t) + c + part;
    for (int64_t row = 0; row < in.rows; ++row) {
      lanes[row % 32] = hn::Add(lanes[row % 32], hn::LoadU(kD, from + row * floats));
    }
    for (int fold = 16; fold > 0; fold /= 2) {
      for (int l = 0; l < fold; ++l) lanes[l] = hn::Add(lanes[l], lanes[l + fold]);
    }
    hn::StoreU(hn::Div(lanes[0], hn::Set(kD, static_cast<float>(in.rows))), kD, to + part);
  }
}

// The same of spikes, whose sums are whole numbers in any order.
HWY_INLINE void mean_of_spikes(const ValueRef& in, int64_t t, int64_t c, float* to) {
  int32_t sums[16] = {};
  const auto spikes = in.bits_at(t);
  for (int64_t row = 0; row < in.rows; ++row) {
    const uint64_t part = spikes.row(row)[c >> 6] >> (c & 63);
    for (int i = 0; i < 16; ++i) sums[i] += static_cast<int32_t>((part >> i) & 1);
  }
  for (int i = 0; i < 16; ++i) to[i] = static_cast<float>(sums[i]) / static_cast<float>(in.rows);
}

void spatial_mean(const PackedEpilogue& packed, const UnitIo& io) {
  const Epilogue epilogue(packed, io);
  parallel_for(padded(packed.channels) / 16, 1, io.threads, [&](int64_t first, int64_t last) {
    HWY_ALIGN float sums[16];
    for (int64_t block = first; block < last; ++block) {
      for (int64_t t = 0; t < io.steps; ++t) {
        if (io.in[0].bits != nullptr) {
          mean_of_spikes(io.in[0], t, block * 16, sums);
        } else {
          mean_of_rows(io.in[0], t, block * 16, sums);
        }
        finish(epilogue, sums, 0, t, 0, 1, 1, block * 16, 16);
      }
    }
  });
}

// Neurons on their own, rows [first, last) over all steps: their membranes stay in the first cache
// while the currents of one step after the other stream by. Those of as many rows behind them are
// asked for meanwhile: a run of memory is too short for the machine to see it coming.
template <Charge charge>
void step_rows(const SimdNeuron& neuron, const UnitIo& io, int64_t first, int64_t last) {
  const SimdNeuron own = neuron;
  const int64_t channels = io.spikes.channels, floats = padded(channels),
                row_bits = 64 * words_for(channels);
  const int64_t ahead = (last - first) * floats;
  const uint32_t last_part = 0xffffu >> (floats - channels);
  float* membranes = io.state + first * floats;
  if (io.brief) {
    membranes = scratch<float>(ScratchSlot::kTile, ahead);
    for (int64_t i = 0; i < ahead; i += kLanes) hn::StoreU(own.rest, kD, membranes + i);
  }
  for (int64_t t = 0; t < io.steps; ++t) {
    const float* x = io.in[0].real_row(t, first);
    float* v = membranes;
    uint64_t* spikes = io.spikes.bits_at(t).row(first);
    for (int64_t row = first; row < last; ++row, spikes += row_bits / 64) {
      uint32_t fired = 0;
      for (int64_t c = 0; c < floats; c += 16, x += 16, v += 16) {
        __builtin_prefetch(x + ahead);
        fired = 0;
#pragma GCC unroll 16
        for (int lane = 0; lane < 16; lane += kLanes) {
          V membrane = hn::LoadU(kD, v + lane);
          const auto mask = step<charge>(own, hn::LoadU(kD, x + lane), membrane);
          fired |= mask_bits(mask) << lane;
          hn::StoreU(membrane, kD, v + lane);
        }
        store_bits16(spikes, c, fired);
      }
      store_bits16(spikes, floats - 16, fired & last_part);
      for (int64_t c = floats; c < row_bits; c += 16) store_bits16(spikes, c, 0);
    }
  }
}

void neurons_alone(const PackedEpilogue& packed, const UnitIo& io) {
  constexpr int64_t kTileFloats = 1024;
  const SimdNeuron neuron = spread(packed.neuron);
  const int64_t rows = std::max<int64_t>(1, kTileFloats / padded(packed.channels));
  parallel_for(io.in[0].rows, 8 * rows, io.threads, [&](int64_t begin, int64_t end) {
    with_charge(neuron, [&](auto charge) {
      for (int64_t row = begin; row < end; row += rows)
        step_rows<decltype(charge)::value>(neuron, io, row, std::min(row + rows, end));
    });
  });
}

template <typename P>
void run_one(const P& p, const PackedEpilogue& packed, const UnitIo& io) {
  if constexpr (std::is_same_v<P, PackedSpatialMean>) {
    spatial_mean(packed, io);
  } else if constexpr (std::is_same_v<P, PackedNorm>) {
    run_rows(p, packed, io, (p.in_height + 2 * p.pad) * (p.in_width + 2 * p.pad));
  } else if constexpr (std::is_same_v<P, PackedPrepend>) {
    run_rows(p, packed, io, io.in[0].rows + 1);
  } else if constexpr (std::is_same_v<P, PackedFirstRow>) {
    run_rows(p, packed, io, 1);
  } else if constexpr (std::is_same_v<P, PackedCopy>) {
    neurons_alone(packed, io);
  } else {
    run_rows(p, packed, io, io.in[0].rows);
  }
}

// Bits of several rows one behind the other.
void concat_spikes(const UnitIo& io) {
  for (int64_t t = 0; t < io.steps; ++t) {
    uint64_t* to = io.spikes.bits_at(t).words;
    std::fill_n(to, words_for(io.spikes.channels), uint64_t{0});
    int64_t at = 0;
    for (const ValueRef& in : io.in) {
      if (in.bits == nullptr) continue;
      const uint64_t* from = in.bits_at(t).words;
      const int64_t shift = at & 63;
      for (int64_t w = 0; w < words_for(in.channels); ++w) {
        const int64_t word = (at >> 6) + w;
        to[word] |= from[w] << shift;
        if (shift > 0 && from[w] >> (64 - shift) != 0) to[word + 1] |= from[w] >> (64 - shift);
      }
      at += in.channels;
    }
  }
}

void elementwise(const PackedUnit& unit, const UnitIo& io) {
  const PackedEpilogue& e = unit.epilogue;
  if (const auto* norm = std::get_if<PackedNorm>(&unit.main)) run_one(*norm, e, io);
  if (const auto* copy = std::get_if<PackedCopy>(&unit.main)) run_one(*copy, e, io);
  if (const auto* add = std::get_if<PackedAdd>(&unit.main)) run_one(*add, e, io);
  if (const auto* scale = std::get_if<PackedScale>(&unit.main)) run_one(*scale, e, io);
  if (const auto* act = std::get_if<PackedActivation>(&unit.main)) run_one(*act, e, io);
  if (const auto* mul = std::get_if<PackedMul>(&unit.main)) run_one(*mul, e, io);
  if (const auto* p = std::get_if<PackedPositions>(&unit.main)) run_one(*p, e, io);
  if (const auto* row = std::get_if<PackedPrepend>(&unit.main)) run_one(*row, e, io);
  if (const auto* first = std::get_if<PackedFirstRow>(&unit.main)) run_one(*first, e, io);
  if (const auto* mean = std::get_if<PackedSpatialMean>(&unit.main)) run_one(*mean, e, io);
  if (const auto* mean = std::get_if<PackedStepMean>(&unit.main)) run_one(*mean, e, io);
  if (const auto* concat = std::get_if<PackedConcat>(&unit.main)) {
    if (concat->spikes) {
      concat_spikes(io);
    } else {
      run_one(*concat, e, io);
    }
  }
}

}  // namespace HWY_NAMESPACE
}  // namespace spikeloom::cpu
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace spikeloom::cpu {

ElementwiseKernel elementwise_for(int64_t target) {
  SPIKELOOM_PICK(target, elementwise);
}

}  // namespace spikeloom::cpu
#endif
