#include "sim/backends/cpu/conv1d_lmu.hpp"

#include "core/parallel.hpp"
#include "sim/backends/cpu/targets.hpp"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "sim/backends/cpu/conv1d_lmu.cpp"
#include <hwy/foreach_target.h>

#include "sim/backends/cpu/dense-inl.hpp"
#include "sim/backends/cpu/events-inl.hpp"

HWY_BEFORE_NAMESPACE();
namespace spikeloom::cpu {
namespace HWY_NAMESPACE {

constexpr int64_t kStepsTogether = 128;  // that share one pass over a weight tile
constexpr int64_t kBlockChannels = 128;  // their weights to one tile stay in the fastest cache
constexpr int64_t kListedSteps = 192;    // whose events are listed at once
constexpr double kDenseRate = 0.6;       // firing rate above which the dense kernel is faster

// Of `all` vectors (a power of two times 1 or 3) as many as `most` registers (a power of two) take
// in equal parts.
constexpr int vectors_at_once(int all, int most) {
  return all <= most ? all : all % most == 0 ? most : most / 2;
}

// Events of the input steps a run of steps sees, blocks of kBlockChannels channels one after the
// other: event = channel within its block; events of block b of input step s (the first is
// `left` before the run's first) lie from offsets[s * blocks + b] on.
struct StepEvents {
  const uint32_t* events = nullptr;
  const uint32_t* offsets = nullptr;
  int64_t blocks = 0;
  double rate = 0;
};

inline StepEvents list_events(const PackedConv1d& p, const UnitIo& io, int64_t first,
                              int64_t steps) {
  constexpr int64_t kBlockWords = kBlockChannels / 64;
  const int64_t in_steps = steps + p.kernel - 1, words = words_for(p.in_channels);
  const int64_t blocks = (words + kBlockWords - 1) / kBlockWords;
  uint32_t* offsets = scratch<uint32_t>(ScratchSlot::kOffsets, in_steps * blocks + 1);
  uint32_t* events = scratch<uint32_t>(ScratchSlot::kEvents, in_steps * words * 64 + kEventSlack);
  uint32_t *end = events, *offset = offsets;
  for (int64_t s = 0; s < in_steps; ++s) {
    const uint64_t* row = io.in[0].bits_at(first - p.left + s).words;
    for (int64_t w = 0; w < words; w += kBlockWords) {
      *offset++ = static_cast<uint32_t>(end - events);
      end = append_events(row + w, 64 * std::min(kBlockWords, words - w), 0, end);
    }
  }
  *offset = static_cast<uint32_t>(end - events);
  const auto inputs = static_cast<double>(in_steps * p.in_channels);
  return {events, offsets, blocks, static_cast<double>(end - events) / inputs};
}

// Adds the weight rows of each step's events, in order, to its sums, or to +0 for `fresh` sums;
// rows and sums are 16 * kSixteens floats. The events of step k lie from offsets[k * stride] on.
// Steps take turns: their chains of additions overlap, and a loop's end is mispredicted once for
// all.
template <int kSixteens, int kSteps>
HWY_INLINE void add_block(const uint32_t* events, const uint32_t* offsets, int64_t stride,
                          const float* weights, bool fresh, float* sums) {
  constexpr int kWidth = 16 * kSixteens;
  constexpr int kVectors = vectors_at_once(kWidth / kLanes, 8 / kSteps);
  const auto add = [&](uint32_t event, int part, V* acc) HWY_ATTR {
    const float* row = weights + static_cast<size_t>(event) * kWidth + part;
#pragma GCC unroll 8
    for (int v = 0; v < kVectors; ++v) acc[v] = hn::Add(acc[v], hn::LoadU(kD, row + v * kLanes));
  };
  int64_t common = offsets[1] - offsets[0];
#pragma GCC unroll 2
  for (int k = 1; k < kSteps; ++k)
    common = std::min<int64_t>(common, offsets[k * stride + 1] - offsets[k * stride]);
  for (int part = 0; part < kWidth; part += kVectors * kLanes) {
    V acc[kSteps][kVectors];
#pragma GCC unroll 2
    for (int k = 0; k < kSteps; ++k) {
#pragma GCC unroll 8
      for (int v = 0; v < kVectors; ++v)
        acc[k][v] = fresh ? hn::Zero(kD) : hn::LoadU(kD, sums + k * kWidth + part + v * kLanes);
    }
    for (int64_t i = 0; i < common; ++i) {
#pragma GCC unroll 2
      for (int k = 0; k < kSteps; ++k) add(events[offsets[k * stride] + i], part, acc[k]);
    }
#pragma GCC unroll 2
    for (int k = 0; k < kSteps; ++k) {
      for (int64_t i = offsets[k * stride] + common; i < offsets[k * stride + 1]; ++i)
        add(events[i], part, acc[k]);
#pragma GCC unroll 8
      for (int v = 0; v < kVectors; ++v)
        hn::StoreU(acc[k][v], kD, sums + k * kWidth + part + v * kLanes);
    }
  }
}

// Sums of one tile over steps [first, first + steps) of the list. Tap by tap and block by block, so
// that all steps share the weights of a block; the sums wait in memory in between. Meanwhile the
// next block is asked for (behind the last one that is the next tile's, or nothing).
template <int kSixteens>
HWY_NOINLINE void add_tile(const PackedConv1d& p, const StepEvents& list, int64_t first,
                           int64_t steps, const float* weights, float* sums) {
  constexpr int64_t kWidth = 16 * kSixteens;
  const int64_t block_floats = std::min(kBlockChannels, padded(p.in_channels)) * kWidth;
  const int64_t ahead = (2 * block_floats / steps + 15) / 16 * 16;  // in two steps' time
  for (int64_t tap = 0; tap < p.kernel; ++tap) {
    for (int64_t block = 0; block < list.blocks; ++block) {
      const bool fresh = tap == 0 && block == 0;
      const float* rows = weights + (tap * padded(p.in_channels) + block * kBlockChannels) * kWidth;
      const uint32_t* offsets = list.offsets + (first + tap) * list.blocks + block;
      const float* next = rows + block_floats;
      int64_t s = 0;
      for (; s + 2 <= steps; s += 2, offsets += 2 * list.blocks) {
        for (int64_t at = 0; at < ahead; at += 16) __builtin_prefetch(next + at, 0, 3);
        next += ahead;
        add_block<kSixteens, 2>(list.events, offsets, list.blocks, rows, fresh, sums + s * kWidth);
      }
      if (s < steps)
        add_block<kSixteens, 1>(list.events, offsets, list.blocks, rows, fresh, sums + s * kWidth);
    }
  }
}

// Calls f(std::integral_constant<int, n>) for a tile of 16 * n outputs, n <= 4.
template <int kSixteens = 4, typename F>
HWY_INLINE void for_width(int64_t width, F f) {
  if (width == 16 * kSixteens) return f(std::integral_constant<int, kSixteens>());
  if constexpr (kSixteens > 1) for_width<kSixteens - 1>(width, f);
}

// The inputs of a run of steps as numbers: where they stand, or spikes unpacked.
struct StepInputs {
  const float* x = nullptr;
  int64_t stride = 0;
};

inline StepInputs real_inputs(const PackedConv1d& p, const UnitIo& io, int64_t first,
                              int64_t steps) {
  const ValueRef& in = io.in[0];
  if (in.bits == nullptr) return {in.real_at(first - p.left), in.step_stride};
  const int64_t in_steps = steps + p.kernel - 1, floats = padded(p.in_channels);
  float* to = scratch<float>(ScratchSlot::kInputs, in_steps * floats);
  for (int64_t s = 0; s < in_steps; ++s) {
    const uint64_t* row = in.bits_at(first - p.left + s).words;
    for (int64_t c = 0; c < floats; ++c)
      to[s * floats + c] = static_cast<float>((row[c >> 6] >> (c & 63)) & 1);
  }
  return {to, floats};
}

// Weight tiles [begin, end) over the steps [first, first + steps).
inline void conv1d_tiles(const PackedConv1d& p, const Epilogue& epilogue, const StepEvents& list,
                         const StepInputs& inputs, int64_t first, int64_t steps, int64_t begin,
                         int64_t end) {
  float* sums = scratch<float>(ScratchSlot::kSums, kStepsTogether * kConv1dTile);
  for (int64_t tile = begin; tile < end; ++tile) {
    const int64_t o = tile * kConv1dTile, width = std::min(kConv1dTile, padded(p.out_channels) - o);
    const float* weights = p.weights.f32().data() + o * p.fan_in();
    for (int64_t s = 0; s < steps; s += kStepsTogether) {
      const int64_t together = std::min(kStepsTogether, steps - s);
      if (inputs.x != nullptr) {
        dense_tile(inputs.x + s * inputs.stride, inputs.stride, together, p.fan_in(), weights,
                   width, sums);
      }
      for_width(width, [&](auto sixteens) HWY_ATTR {
        if (inputs.x == nullptr) add_tile<sixteens>(p, list, s, together, weights, sums);
        epilogue.finish(epilogue, row_of(epilogue, first + s, 0), sums, 16 * sixteens, together, o,
                        16 * sixteens);
      });
    }
  }
}

// A tile's steps run in order: a neuron's step needs the one before.
void conv1d(const PackedConv1d& p, const PackedEpilogue& packed, const UnitIo& io) {
  const Epilogue epilogue(packed, io);
  const int64_t tiles = (padded(p.out_channels) + kConv1dTile - 1) / kConv1dTile;
  for (int64_t first = 0; first < io.steps; first += kListedSteps) {
    const int64_t steps = std::min(kListedSteps, io.steps - first);
    StepEvents list;
    StepInputs inputs;
    if (io.in[0].bits != nullptr) list = list_events(p, io, first, steps);
    if (io.in[0].bits == nullptr || list.rate > kDenseRate)
      inputs = real_inputs(p, io, first, steps);
    parallel_for(tiles, 1, io.threads, [&](int64_t begin, int64_t end) {
      conv1d_tiles(p, epilogue, list, inputs, first, steps, begin, end);
    });
  }
}

using Doubles = hn::CappedTag<double, 8>;
constexpr Doubles kDoubles;
constexpr int kDoubleLanes = static_cast<int>(HWY_MIN(8, HWY_LANES(double)));
using VD = hn::Vec<Doubles>;

HWY_INLINE VD exact_fma(VD a, VD b, VD c) {
  return exact_fma(kDoubles, a, b, c);
}

inline float input_at(const ValueRef& in, int64_t step) {
  if (in.bits != nullptr) return static_cast<float>(in.bits_at(step).words[0] & 1);
  return in.real_at(step)[0];
}

// Inputs that are not 0, with the table rows they choose.
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

// kSixteens * 16 sums of rows of a table tile times factors, in the order given, rounded to fp32.
// Row i is kMirrored ? newest - rows[i] : rows[i].
template <int kSixteens, bool kMirrored>
HWY_INLINE void sum_rows(const double* table, const uint32_t* rows, const float* factors,
                         int64_t count, uint32_t newest, float* to) {
  constexpr int kWidth = 16 * kSixteens;
  constexpr int kVectors = vectors_at_once(kWidth / kDoubleLanes, 8);
  HWY_ALIGN double sums[kWidth];
  for (int part = 0; part < kWidth; part += kVectors * kDoubleLanes) {
    VD acc[kVectors];
#pragma GCC unroll 8
    for (int v = 0; v < kVectors; ++v) acc[v] = hn::Zero(kDoubles);
    for (int64_t i = 0; i < count; ++i) {
      const size_t at = kMirrored ? newest - rows[i] : rows[i];
      const double* row = table + at * kWidth + part;
      const VD factor = hn::Set(kDoubles, static_cast<double>(factors[i]));
#pragma GCC unroll 8
      for (int v = 0; v < kVectors; ++v)
        acc[v] = exact_fma(hn::LoadU(kDoubles, row + v * kDoubleLanes), factor, acc[v]);
    }
#pragma GCC unroll 8
    for (int v = 0; v < kVectors; ++v) hn::Store(acc[v], kDoubles, sums + part + v * kDoubleLanes);
  }
  for (int i = 0; i < kWidth; ++i) to[i] = static_cast<float>(sums[i]);
}

// known holds all inputs since `taps` - 1 steps before the first step, by age at the first step,
// newest - rows[i]; what a step sees is a run of them, oldest first.
void event_memory(const PackedLmu& p, const Epilogue& epilogue, const UnitIo& io) {
  const int64_t oldest = p.taps - 1, order = padded(p.order);
  Known known(oldest + io.steps);
  for (int64_t t = -oldest; t < io.steps; ++t) known.add(t + oldest, input_at(io.in[0], t));
  parallel_for((order + kLmuTile - 1) / kLmuTile, 2, io.threads, [&](int64_t begin, int64_t end) {
    float* sums = scratch<float>(ScratchSlot::kSums, kStepsTogether * kLmuTile);
    for (int64_t tile = begin; tile < end; ++tile) {
      const int64_t first = tile * kLmuTile, width = std::min(kLmuTile, order - first);
      const double* table = p.table.as<double>().data() + first * p.taps;
      for_width(width, [&](auto sixteens) HWY_ATTR {
        int64_t from = 0, to = 0;
        for (int64_t t = 0; t < io.steps; ++t) {
          while (from < known.count && known.rows[from] < t) ++from;
          while (to < known.count && known.rows[to] <= t + oldest) ++to;
          const int64_t waiting = t % kStepsTogether;
          sum_rows<sixteens, true>(table, known.rows + from, known.factors + from, to - from,
                                   static_cast<uint32_t>(t + oldest), sums + waiting * width);
          if (waiting + 1 == kStepsTogether || t + 1 == io.steps)
            epilogue.finish(epilogue, row_of(epilogue, t - waiting, 0), sums, 16 * sixteens,
                            waiting + 1, first, 16 * sixteens);
        }
      });
    }
  });
}

void recurrent_memory(const PackedLmu& p, const Epilogue& epilogue, const UnitIo& io) {
  const int64_t floats = padded(p.order);
  const double* table = p.table.as<double>().data();
  float* sums = scratch<float>(ScratchSlot::kSums, floats);
  Known known(p.order + 1);
  for (int64_t t = 0; t < io.steps; ++t) {
    known.count = 0;
    for (int64_t j = 0; j < p.order; ++j) known.add(j, io.state[j]);
    known.add(p.order, input_at(io.in[0], t));
    for (int64_t c = 0; c < floats; c += kLmuTile) {
      for_width(std::min(kLmuTile, floats - c), [&](auto sixteens) HWY_ATTR {
        sum_rows<sixteens, false>(table + c * (p.order + 1), known.rows, known.factors, known.count,
                                  0, sums + c);
      });
    }
    std::copy_n(sums, floats, io.state);
    finish(epilogue, sums, 0, t, 0, 1, 1, 0, floats);
  }
}

void fft_memory(const PackedLmu& p, const Epilogue& epilogue, const UnitIo& io) {
  const int64_t floats = padded(p.order), steps = p.fft->steps();
  auto& workspace = *static_cast<LmuFft::Workspace*>(io.workspace);
  float* sums = scratch<float>(ScratchSlot::kSums, steps * floats);
  std::fill_n(sums, steps * floats, 0.0f);
  for (int64_t t = 0; t < steps; ++t)
    workspace.input[static_cast<size_t>(t)] = static_cast<double>(input_at(io.in[0], t));
  p.fft->run(workspace, sums, floats);
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
