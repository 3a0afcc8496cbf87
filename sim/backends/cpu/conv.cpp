#include "sim/backends/cpu/conv.hpp"

#include "core/parallel.hpp"
#include "sim/backends/cpu/targets.hpp"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "sim/backends/cpu/conv.cpp"
#include <hwy/foreach_target.h>

#include "sim/backends/cpu/dense-inl.hpp"
#include "sim/backends/cpu/events-inl.hpp"

HWY_BEFORE_NAMESPACE();
namespace spikeloom::cpu {
namespace HWY_NAMESPACE {

constexpr int64_t kSpanPixels = 64;
constexpr int64_t kGroupPixelSteps =
    256;                             // outputs (times steps) that share one pass over a weight tile
constexpr double kDenseRate = 0.45;  // firing rate above which the dense kernel is faster

// Neighbouring outputs [x, x + pixels) of row y.
struct Span {
  int64_t y, x, pixels;
};

// Cuts the output map into spans of nearly equal length.
struct Spans {
  int64_t width, per_row, length, count;
  explicit Spans(const Window& w)
      : width(w.out_width),
        per_row((width + kSpanPixels - 1) / kSpanPixels),
        length((width + per_row - 1) / per_row),
        count(w.out_height * per_row) {}
  Span at(int64_t i) const {
    const int64_t x = i % per_row * length;
    return {i / per_row, x, std::max<int64_t>(0, std::min(length, width - x))};
  }
};

// Lists of all spans of a group at all distinct steps.
struct EventLists {
  uint32_t* events = nullptr;
  uint32_t* offsets = nullptr;  // per list: columns + 1 places in `events`
  int64_t offset_stride = 0;
  int64_t used = 0;
};

// Appends the events of one span; the list's offsets are absolute places in lists.events.
inline void build_list(const Window& w, const MutableSpikeView& in, const Span& span, int64_t list,
                       EventLists& lists) {
  const int64_t columns = span.pixels == 0 ? 0 : (span.pixels - 1) * w.stride + w.kernel,
                words = in.row_words();
  lists.events = scratch<uint32_t>(
      ScratchSlot::kEvents, lists.used + columns * w.kernel * words * 64 + kEventSlack, lists.used);
  uint32_t* end = lists.events + lists.used;
  uint32_t* offsets = lists.offsets + list * lists.offset_stride;
  const int64_t left = span.x * w.stride - w.padding, top = span.y * w.stride - w.padding;
  const int64_t ky_begin = std::max<int64_t>(0, -top),
                ky_end = std::min(w.kernel, w.in_height - top);
  for (int64_t column = 0; column < columns; ++column) {
    offsets[column] = static_cast<uint32_t>(end - lists.events);
    const int64_t x = left + column;
    if (x < 0 || x >= w.in_width || column % w.stride >= w.kernel) continue;
    for (int64_t ky = ky_begin; ky < ky_end; ++ky) {
      end = append_events(in.row((top + ky) * w.in_width + x), words,
                          static_cast<uint32_t>((column * w.kernel + ky) * w.in_channels), end);
    }
  }
  lists.used = end - lists.events;
  offsets[columns] = static_cast<uint32_t>(lists.used);
}

// Adds the weight rows events[i] - base, in order; rows are 16 * kSixteens floats.
template <int kSixteens>
HWY_INLINE void add_rows(const uint32_t* events, int64_t count, uint32_t base, const float* weights,
                         float* sums) {
  constexpr int kWidth = 16 * kSixteens;
  constexpr int kVectors = HWY_MIN(kWidth / kLanes, 8);
  for (int part = 0; part < kWidth; part += kVectors * kLanes) {
    V acc[kVectors];
#pragma GCC unroll 8
    for (int v = 0; v < kVectors; ++v) acc[v] = hn::Zero(kD);
    for (int64_t i = 0; i < count; ++i) {
      const float* row = weights + static_cast<size_t>(events[i] - base) * kWidth + part;
#pragma GCC unroll 8
      for (int v = 0; v < kVectors; ++v) acc[v] = hn::Add(acc[v], hn::LoadU(kD, row + v * kLanes));
    }
#pragma GCC unroll 8
    for (int v = 0; v < kVectors; ++v) hn::StoreU(acc[v], kD, sums + part + v * kLanes);
  }
}

// Main sums of one span at one step. Meanwhile asks for what the epilogue will read of `ahead` and
// the rows after it (row_floats apart; may be null): it is as large as the layer's output and comes
// from far caches. Only here, not in a function: the compiler drops calls that do nothing but
// prefetch.
template <int kSixteens>
HWY_NOINLINE void add_span(const Window& w, const EventLists& lists, int64_t list, int64_t pixels,
                           const float* weights, float* sums, const float* ahead,
                           int64_t row_floats) {
  const uint32_t* offsets = lists.offsets + list * lists.offset_stride;
  const auto column_inputs = static_cast<uint32_t>(w.kernel * w.in_channels * w.stride);
  for (int64_t x = 0; x < pixels; ++x) {
    if (ahead != nullptr) {
#pragma GCC unroll 8
      for (int c = 0; c < kSixteens; ++c) __builtin_prefetch(ahead + x * row_floats + 16 * c, 1, 2);
    }
    const uint32_t begin = offsets[x * w.stride], end = offsets[x * w.stride + w.kernel];
    add_rows<kSixteens>(lists.events + begin, end - begin, static_cast<uint32_t>(x) * column_inputs,
                        weights, sums + x * 16 * kSixteens);
  }
}

// add_span for a tile of `width` outputs.
template <int kSixteens = 4, typename... Args>
HWY_INLINE void add_span_of(int64_t width, const Args&... args) {
  if (width == 16 * kSixteens) return add_span<kSixteens>(args...);
  if constexpr (kSixteens > 1) add_span_of<kSixteens - 1>(width, args...);
}

// One group of spans, tiles [tile_begin, tile_end), all steps.
inline void run_group(const PackedConv& conv, const Epilogue& epilogue, const UnitIo& io,
                      const Spans& spans, int64_t begin, int64_t end, int64_t tile_begin,
                      int64_t tile_end) {
  const Window& w = conv.window;
  const int64_t distinct = io.in[0].step_stride == 0 ? 1 : io.steps;
  EventLists lists;
  lists.offset_stride = (spans.length - 1) * w.stride + w.kernel + 1;
  lists.offsets =
      scratch<uint32_t>(ScratchSlot::kOffsets, (end - begin) * distinct * lists.offset_stride);
  double inputs = 0;
  for (int64_t i = begin; i < end; ++i) {
    for (int64_t t = 0; t < distinct; ++t) {
      build_list(w, io.in[0].bits_at(t), spans.at(i), (i - begin) * distinct + t, lists);
      inputs += static_cast<double>(lists.offset_stride - 1) *
                static_cast<double>(w.kernel * w.in_channels);
    }
  }
  if (static_cast<double>(lists.used) > kDenseRate * inputs) {
    for (int64_t i = begin; i < end; ++i) {
      const Span span = spans.at(i);
      const int64_t pixel = span.y * w.out_width + span.x;
      dense_pixels(conv, epilogue, io, pixel, pixel + span.pixels, tile_begin, tile_end);
    }
    return;
  }
  float* sums = scratch<float>(ScratchSlot::kSums, kSpanPixels * conv.tile);
  for (int64_t tile = tile_begin; tile < tile_end; ++tile) {
    const int64_t o = tile * conv.tile, width = std::min(conv.tile, padded(w.out_channels) - o);
    const float* weights = conv.weights.f32().data() + o * conv.fan_in();
    for (int64_t i = begin; i < end; ++i) {
      const Span span = spans.at(i);
      const int64_t pixel = span.y * w.out_width + span.x;
      const int64_t row_floats = padded(w.out_channels);
      const float* ahead = epilogue.packed.fires ? io.state + pixel * row_floats + o : nullptr;
      for (int64_t t = 0; t < io.steps; ++t) {
        if (t < distinct) {
          const int64_t list = (i - begin) * distinct + t;
          add_span_of(width, w, lists, list, span.pixels, weights, sums, ahead, row_floats);
          ahead = nullptr;
        }
        finish(epilogue, sums, width, t, pixel, 1, span.pixels, o, width);
      }
    }
  }
}

void event_conv(const PackedConv& conv, const PackedEpilogue& packed, const UnitIo& io) {
  const Epilogue epilogue(packed, io);
  const Spans spans(conv.window);
  const int64_t tiles = (padded(conv.window.out_channels) + conv.tile - 1) / conv.tile;
  const int64_t group =
      std::clamp<int64_t>(kGroupPixelSteps / (spans.length * io.steps), 1, spans.count);
  const int64_t groups = (spans.count + group - 1) / group;
  const int64_t splits =
      std::clamp<int64_t>(io.threads == 1 ? 1 : 4 * io.threads / groups, 1, tiles);
  parallel_for(groups * splits, 1, io.threads, [&](int64_t first, int64_t last) {
    for (int64_t item = first; item < last; ++item) {
      const int64_t begin = item / splits * group, split = item % splits;
      run_group(conv, epilogue, io, spans, begin, std::min(begin + group, spans.count),
                tiles * split / splits, tiles * (split + 1) / splits);
    }
  });
}

// Items of `macs` each that one thread should take at least: below that, waking another thread
// costs more than the work.
int64_t grain_of(int64_t macs) {
  constexpr int64_t kWorthAThread = int64_t{1} << 17;
  return (kWorthAThread + macs - 1) / macs;
}

void dense_conv(const PackedConv& conv, const PackedEpilogue& packed, const UnitIo& io) {
  const Epilogue epilogue(packed, io);
  const int64_t pixels = conv.window.out_height * conv.window.out_width;
  const int64_t tiles = (padded(conv.window.out_channels) + conv.tile - 1) / conv.tile;
  const int64_t tile_macs = conv.fan_in() * conv.tile;
  if (steps_are_rows(conv, io)) {
    parallel_for(
        tiles, grain_of(tile_macs * io.steps), io.threads,
        [&](int64_t first, int64_t last) { dense_steps(conv, epilogue, io, first, last); });
    return;
  }
  const int64_t blocks = (pixels + kDensePixels - 1) / kDensePixels;
  const int64_t splits =
      std::clamp<int64_t>(io.threads == 1 ? 1 : 4 * io.threads / blocks, 1, tiles);
  const int64_t item_macs =
      tile_macs * (tiles / splits) * std::min(pixels, kDensePixels) * io.steps;
  parallel_for(blocks * splits, grain_of(item_macs), io.threads, [&](int64_t first, int64_t last) {
    for (int64_t item = first; item < last; ++item) {
      const int64_t begin = item / splits * kDensePixels, split = item % splits;
      dense_pixels(conv, epilogue, io, begin, std::min(begin + kDensePixels, pixels),
                   tiles * split / splits, tiles * (split + 1) / splits);
    }
  });
}

}  // namespace HWY_NAMESPACE
}  // namespace spikeloom::cpu
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace spikeloom::cpu {

ConvKernel event_conv_for(int64_t target) {
  SPIKELOOM_PICK(target, event_conv);
}
ConvKernel dense_conv_for(int64_t target) {
  SPIKELOOM_PICK(target, dense_conv);
}

}  // namespace spikeloom::cpu
#endif
