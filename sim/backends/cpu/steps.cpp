#include "sim/backends/cpu/steps.hpp"

#include "core/parallel.hpp"
#include "sim/backends/cpu/targets.hpp"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "sim/backends/cpu/steps.cpp"
#include <hwy/foreach_target.h>

#include "sim/backends/cpu/dense-inl.hpp"
#include "sim/backends/cpu/events-inl.hpp"

HWY_BEFORE_NAMESPACE();
namespace spikeloom::cpu {
namespace HWY_NAMESPACE {

constexpr int64_t kStepsTogether = 24;  // that share one pass over a weight tile

// Events of the input steps [first - left, first + steps + right): id = step * padded(channels) +
// channel; offsets[s] is the place of the first event of step s.
struct StepEvents {
  const uint32_t* events;
  const uint32_t* offsets;
};

inline StepEvents list_events(const PackedConv1d& p, const UnitIo& io, int64_t first,
                              int64_t steps) {
  const int64_t in_steps = steps + p.kernel - 1, words = words_for(p.in_channels);
  uint32_t* offsets = scratch<uint32_t>(ScratchSlot::kOffsets, in_steps + 1);
  uint32_t* events = scratch<uint32_t>(ScratchSlot::kEvents, in_steps * words * 64 + kEventSlack);
  uint32_t* end = events;
  for (int64_t s = 0; s < in_steps; ++s) {
    offsets[s] = static_cast<uint32_t>(end - events);
    end = append_events(io.in[0].bits_at(first - p.left + s).words, p.in_channels,
                        static_cast<uint32_t>(s * padded(p.in_channels)), end);
  }
  offsets[in_steps] = static_cast<uint32_t>(end - events);
  return {events, offsets};
}

// Adds the weight rows events[i] - base, in order; rows are `width` floats, a multiple of 16.
HWY_INLINE void add_events(const uint32_t* events, int64_t count, uint32_t base,
                           const float* weights, int64_t width, float* sums) {
  constexpr int kVectors = 16 / kLanes;
  for (int64_t part = 0; part < width; part += 16) {
    V acc[kVectors];
#pragma GCC unroll 16
    for (int v = 0; v < kVectors; ++v) acc[v] = hn::Zero(kD);
    for (int64_t i = 0; i < count; ++i) {
      const float* row = weights + static_cast<int64_t>(events[i] - base) * width + part;
#pragma GCC unroll 16
      for (int v = 0; v < kVectors; ++v) acc[v] = hn::Add(acc[v], hn::LoadU(kD, row + v * kLanes));
    }
#pragma GCC unroll 16
    for (int v = 0; v < kVectors; ++v) hn::StoreU(acc[v], kD, sums + part + v * kLanes);
  }
}

// Steps [first, first + steps), weight tiles [tile_begin, tile_end).
inline void conv1d_steps(const PackedConv1d& p, const Epilogue& epilogue, const UnitIo& io,
                         int64_t first, int64_t steps, int64_t tile_begin, int64_t tile_end) {
  const int64_t outputs = padded(p.out_channels), inputs = padded(p.in_channels);
  const bool spikes = io.in[0].bits != nullptr;
  StepEvents list{};
  if (spikes) list = list_events(p, io, first, steps);
  float* sums = scratch<float>(ScratchSlot::kSums, kStepsTogether * kConv1dTile);
  for (int64_t tile = tile_begin; tile < tile_end; ++tile) {
    const int64_t o = tile * kConv1dTile, width = std::min(kConv1dTile, outputs - o);
    const float* weights = p.weights.f32().data() + o * p.fan_in();
    if (!spikes) {
      dense_tile(io.in[0].real_at(first - p.left), io.in[0].step_stride, steps, p.fan_in(), weights,
                 width, sums);
    }
    for (int64_t s = 0; s < steps; ++s) {
      if (spikes) {
        const uint32_t begin = list.offsets[s], end = list.offsets[s + p.kernel];
        add_events(list.events + begin, end - begin, static_cast<uint32_t>(s * inputs), weights,
                   width, sums + s * width);
      }
      finish(epilogue, sums + s * width, width, first + s, 0, 1, 1, o, width);
    }
  }
}

// A tile's steps run in order: a neuron's step needs the one before.
void conv1d(const PackedConv1d& p, const PackedEpilogue& packed, const UnitIo& io) {
  const Epilogue epilogue(packed, io);
  const int64_t tiles = (padded(p.out_channels) + kConv1dTile - 1) / kConv1dTile;
  parallel_for(tiles, 1, io.threads, [&](int64_t begin, int64_t end) {
    for (int64_t first = 0; first < io.steps; first += kStepsTogether) {
      conv1d_steps(p, epilogue, io, first, std::min(kStepsTogether, io.steps - first), begin, end);
    }
  });
}

using Doubles = hn::CappedTag<double, 8>;
constexpr Doubles kDoubles;
constexpr int kDoubleLanes = static_cast<int>(HWY_MIN(8, HWY_LANES(double)));
using VD = hn::Vec<Doubles>;

HWY_INLINE VD exact_fma(VD a, VD b, VD c) {
  return exact_fma(kDoubles, a, b, c);
}

// 16 sums from `first` on of rows times factors, in the order given, rounded to fp32.
HWY_INLINE void sum_rows(const PackedLmu& p, const uint32_t* rows, const float* factors,
                         int64_t count, int64_t first, float* to) {
  constexpr int kVectors = 16 / kDoubleLanes;
  const double* table = p.table.as<double>().data() + first;
  const int64_t stride = padded(p.order);
  VD acc[kVectors];
#pragma GCC unroll 16
  for (int v = 0; v < kVectors; ++v) acc[v] = hn::Zero(kDoubles);
  for (int64_t i = 0; i < count; ++i) {
    const double* row = table + static_cast<int64_t>(rows[i]) * stride;
    const VD factor = hn::Set(kDoubles, static_cast<double>(factors[i]));
#pragma GCC unroll 16
    for (int v = 0; v < kVectors; ++v)
      acc[v] = exact_fma(hn::LoadU(kDoubles, row + v * kDoubleLanes), factor, acc[v]);
  }
  HWY_ALIGN double sums[16];
#pragma GCC unroll 16
  for (int v = 0; v < kVectors; ++v) hn::Store(acc[v], kDoubles, sums + v * kDoubleLanes);
  for (int i = 0; i < 16; ++i) to[i] = static_cast<float>(sums[i]);
}

inline float input_at(const ValueRef& in, int64_t step) {
  if (in.bits != nullptr) return static_cast<float>(in.bits_at(step).words[0] & 1);
  return in.real_at(step)[0];
}

struct Known {
  uint32_t* rows;
  float* factors;
  int64_t count = 0;
  explicit Known(int64_t most)
      : rows(scratch<uint32_t>(ScratchSlot::kEvents, most)),
        factors(scratch<float>(ScratchSlot::kInputs, most)) {}
  void add(int64_t row, float factor) {
    if (factor == 0.0f) return;
    rows[count] = static_cast<uint32_t>(row);
    factors[count++] = factor;
  }
};

void event_memory(const PackedLmu& p, const Epilogue& epilogue, const UnitIo& io) {
  parallel_for(padded(p.order) / 16, 8, io.threads, [&](int64_t begin, int64_t end) {
    HWY_ALIGN float sums[16];
    Known known(p.taps);
    for (int64_t t = 0; t < io.steps; ++t) {
      known.count = 0;
      for (int64_t k = p.taps - 1; k >= 0; --k) known.add(k, input_at(io.in[0], t - k));
      for (int64_t block = begin; block < end; ++block) {
        sum_rows(p, known.rows, known.factors, known.count, 16 * block, sums);
        finish(epilogue, sums, 0, t, 0, 1, 1, 16 * block, 16);
      }
    }
  });
}

void recurrent_memory(const PackedLmu& p, const Epilogue& epilogue, const UnitIo& io) {
  const int64_t floats = padded(p.order);
  float* sums = scratch<float>(ScratchSlot::kSums, floats);
  Known known(p.order + 1);
  for (int64_t t = 0; t < io.steps; ++t) {
    known.count = 0;
    for (int64_t j = 0; j < p.order; ++j) known.add(j, io.state[j]);
    known.add(p.order, input_at(io.in[0], t));
    for (int64_t c = 0; c < floats; c += 16)
      sum_rows(p, known.rows, known.factors, known.count, c, sums + c);
    std::copy_n(sums, floats, io.state);
    finish(epilogue, sums, 0, t, 0, 1, 1, 0, floats);
  }
}

void fft_memory(const PackedLmu& p, const Epilogue& epilogue, const UnitIo& io) {
  const int64_t floats = padded(p.order), steps = p.fft->steps();
  float* u = scratch<float>(ScratchSlot::kInputs, steps);
  float* sums = scratch<float>(ScratchSlot::kSums, steps * floats);
  std::fill_n(sums, steps * floats, 0.0f);
  for (int64_t t = 0; t < steps; ++t) u[t] = input_at(io.in[0], t);
  p.fft->run(u, sums, floats);
  for (int64_t t = 0; t < io.steps; ++t)
    finish(epilogue, sums + t * floats, 0, t, 0, 1, 1, 0, floats);
}

void lmu(const PackedLmu& p, const PackedEpilogue& packed, const UnitIo& io) {
  const Epilogue epilogue(packed, io);
  switch (p.form) {
    case LmuForm::kEvent: return event_memory(p, epilogue, io);
    case LmuForm::kRecurrent: return recurrent_memory(p, epilogue, io);
    case LmuForm::kFft: return fft_memory(p, epilogue, io);
  }
}

}  // namespace HWY_NAMESPACE
}  // namespace spikeloom::cpu
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace spikeloom::cpu {

Conv1dKernel conv1d_for(int64_t target) {
  SPIKELOOM_PICK(target, conv1d);
}
LmuKernel lmu_for(int64_t target) {
  SPIKELOOM_PICK(target, lmu);
}

}  // namespace spikeloom::cpu
#endif
