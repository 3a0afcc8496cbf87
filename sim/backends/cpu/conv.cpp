#include "sim/backends/cpu/conv.hpp"

#include "core/parallel.hpp"
#include "sim/backends/cpu/choice.hpp"
#include "sim/backends/cpu/events.hpp"
#include "sim/backends/cpu/targets.hpp"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "sim/backends/cpu/conv.cpp"
#include <hwy/foreach_target.h>

#include "sim/backends/cpu/dense-inl.hpp"
#include "sim/backends/cpu/dense_bits-inl.hpp"
#include "sim/backends/cpu/events-inl.hpp"
#include "sim/backends/cpu/gather-inl.hpp"
#include "sim/backends/cpu/tables-inl.hpp"

HWY_BEFORE_NAMESPACE();
namespace spikeloom::cpu {
namespace HWY_NAMESPACE {

constexpr int64_t kSpanPixels = 64;

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
  const bool bytewise = HWY_TARGET == HWY_AVX3 && has_byte_compression();
  for (int64_t column = 0; column < columns; ++column) {
    offsets[column] = static_cast<uint32_t>(end - lists.events);
    const int64_t x = left + column;
    if (x < 0 || x >= w.in_width) continue;
    if (w.stride > w.kernel && column % w.stride >= w.kernel) continue;
    for (int64_t ky = ky_begin; ky < ky_end; ++ky) {
      const uint64_t* row = in.row((top + ky) * w.in_width + x);
      const auto base = static_cast<uint32_t>((column * w.kernel + ky) * w.in_channels);
      end = bytewise ? append_words(row, words, base, end)
                     : append_events(row, w.in_channels, base, end);
    }
  }
  lists.used = end - lists.events;
  offsets[columns] = static_cast<uint32_t>(lists.used);
}

// One weight tile, one span, all steps, with epilogue.
template <typename Weight, int kWidth>
HWY_NOINLINE void gather_span(const PackedConv& conv, const Epilogue& shared, int64_t steps,
                              const EventLists& all_lists, int64_t first_list, int64_t distinct,
                              const Span& span, int64_t o) {
  const Epilogue epilogue(shared);
  const EventLists lists(all_lists);
  const Window w(conv.window);
  const auto weights =
      reinterpret_cast<uintptr_t>(conv.weights.as<Weight>().data() + o * conv.fan_in());
  const int64_t column_bytes =
      w.kernel * w.in_channels * w.stride * kWidth * static_cast<int64_t>(sizeof(Weight));
  const int64_t outputs = conv.outputs_at(o), pixel = span.y * w.out_width + span.x;
  struct Place {
    int64_t x, t;
  };
  const auto list_of = [&](Place at) {
    const uint32_t* offsets = lists.offsets + (first_list + at.t) * lists.offset_stride;
    const uint32_t begin = offsets[at.x * w.stride], end = offsets[at.x * w.stride + w.kernel];
    return EventList{lists.events + begin, end - begin,
                     weights - static_cast<uintptr_t>(at.x * column_bytes)};
  };
  const auto after = [&](Place at) {
    return at.t + 1 < distinct ? Place{at.x, at.t + 1} : Place{at.x + 1, 0};
  };
  // One row of sums for all steps where they have no events of their own.
  const bool repeats = distinct < steps;
  const auto finish_place = [&](Place at, const float* sums, int64_t here) {
    epilogue.finish(epilogue, row_of(epilogue, at.t, pixel + at.x), sums, repeats ? 0 : kWidth,
                    repeats ? steps : here, o, outputs);
  };
  // What needs no neuron goes straight to the result.
  const bool direct =
      epilogue.spikes == nullptr && !repeats && (epilogue.pairs > 0 || epilogue.other == nullptr);
  const auto result = [&](Place at) {
    const EpilogueRow row = row_of(epilogue, at.t, pixel + at.x);
    return SumsTo{row.real + o,
                  epilogue.pairs,
                  epilogue.pairs > 0 ? epilogue.affine + o : nullptr,
                  row.other == nullptr ? nullptr : row.other + o,
                  epilogue.row_floats,
                  outputs};
  };
  HWY_ALIGN float sums[2][kWidth];
  for (Place a{0, 0}; a.x < span.pixels;) {
    const Place b = after(a);
    const bool two = b.x < span.pixels, same_pixel = two && b.x == a.x;
    const EventList list_a = list_of(a), list_b = two ? list_of(b) : EventList{};
    const bool fits =
        std::is_same_v<Weight, float> || std::max(list_a.count, list_b.count) <= conv.safe_events;
    prefetch(epilogue, a.t, pixel + a.x, o, outputs);
    if (two) prefetch(epilogue, b.t, pixel + b.x, o, outputs);
    if (fits) {
      gather<Weight, kWidth>(list_a, list_b, direct ? result(a) : SumsTo{sums[0]},
                             direct && two ? result(b) : SumsTo{sums[1]});
    } else {
      gather_runs<Weight, kWidth>(list_a, list_b, conv.safe_events, sums[0], sums[1]);
    }
    if (!direct || !fits) {
      finish_place(a, sums[0], same_pixel ? 2 : 1);
      if (two && !same_pixel) finish_place(b, sums[1], 1);
    }
    a = after(b);
  }
}

// gather_span for the tile of outputs from o on.
template <typename... Args>
inline void gather_span_of(const PackedConv& conv, int64_t o, const Args&... args) {
  const int64_t width = conv.row_width(o);
  switch (conv.weights.dtype()) {
    case DType::kI16:
      return width == 32   ? gather_span<int16_t, 32>(conv, args..., o)
             : width == 64 ? gather_span<int16_t, 64>(conv, args..., o)
                           : gather_span<int16_t, 128>(conv, args..., o);
    case DType::kI8:
      return width == 32    ? gather_span<int8_t, 32>(conv, args..., o)
             : width == 64  ? gather_span<int8_t, 64>(conv, args..., o)
             : width == 128 ? gather_span<int8_t, 128>(conv, args..., o)
                            : gather_span<int8_t, 256>(conv, args..., o);
    default:
      return width == 16   ? gather_span<float, 16>(conv, args..., o)
             : width == 32 ? gather_span<float, 32>(conv, args..., o)
             : width == 48 ? gather_span<float, 48>(conv, args..., o)
                           : gather_span<float, 64>(conv, args..., o);
  }
}

// Set inputs that the outputs of one span see, those of an input pixel that fires at rate r counted
// 1 + r times: lists that sweep all weights in order find none of them in the first cache. The
// middle row of windows stands for all.
inline double count_events(const Window& w, const MutableSpikeView& in, const Span& span) {
  const int64_t left = std::max<int64_t>(span.x * w.stride - w.padding, 0),
                right = std::min((span.x + span.pixels - 1) * w.stride - w.padding + w.kernel,
                                 w.in_width),
                y = span.y * w.stride - w.padding + w.kernel / 2, words = in.row_words();
  int64_t all = 0, squares = 0;
  if (y < 0 || y >= w.in_height) return 0;
  for (int64_t x = left; x < right; ++x) {
    const uint64_t* row = in.row(y * w.in_width + x);
    int64_t set = 0;
    for (int64_t i = 0; i < words; ++i) set += std::popcount(row[i]);
    all += set;
    squares += set * set;
  }
  return static_cast<double>(w.kernel) *
         (static_cast<double>(all) +
          static_cast<double>(squares) / static_cast<double>(w.in_channels));
}

// PackedConv::dense_load for so many rows: those that share tables pay for making them, which takes
// as long as their sums of kTablesWorth rows (measured).
inline double dense_load(const PackedConv& conv, int64_t rows) {
  constexpr double kTablesWorth = 288;
  const auto paid = [](int64_t count) { return 1 + kTablesWorth / static_cast<double>(count); };
  return conv.dense_load * (fits_tables(conv) ? paid(rows) / paid(kMeasuredRows) : 1.0);
}

// Whether the inputs of a group of spans fire so often that the dense kernel is the faster one,
// judged by one span of `every`.
inline bool is_dense(const PackedConv& conv, const ValueRef& in, int64_t distinct,
                     const Spans& spans, int64_t begin, int64_t end, int64_t every = 1) {
  const Window& w = conv.window;
  double events = 0, inputs = 0;
  int64_t rows = 0;
  for (int64_t i = begin; i < end; i += every) {
    const Span span = spans.at(i);
    if (span.pixels == 0) continue;
    rows += distinct * span.pixels;
    inputs += static_cast<double>(distinct * ((span.pixels - 1) * w.stride + w.kernel) * w.kernel *
                                  w.in_channels);
    for (int64_t t = 0; t < distinct; ++t) events += count_events(w, in.bits_at(t), span);
  }
  return rows > 0 && events > dense_load(conv, rows * every) * inputs;
}

// run_group() with the dense kernel.
inline void run_dense_group(const PackedConv& conv, const Epilogue& epilogue, const UnitIo& io,
                            const Spans& spans, int64_t begin, int64_t end, int64_t tile_begin,
                            int64_t tile_end) {
  // Spans follow each other without gaps.
  const int64_t width = conv.window.out_width;
  const Span first = spans.at(begin), last = spans.at(end - 1);
  const int64_t first_pixel = first.y * width + std::min(first.x, width),
                last_pixel = last.y * width + std::min(last.x, width) + last.pixels;
#if HWY_TARGET == HWY_AVX3
  const bool bytes = conv.weights.dtype() == DType::kI8;
  if (fits_tables(conv)) {
    const auto kernel = bytes ? &table_sums<int8_t> : &table_sums<int16_t>;
    return kernel(conv, epilogue, io, first_pixel, last_pixel, tile_begin, tile_end);
  }
  if (conv.weights.dtype() != DType::kF32 && has_dot_products()) {
    const auto kernel = bytes ? &dense_bits<int8_t, Spans> : &dense_bits<int16_t, Spans>;
    return kernel(conv, epilogue, io, spans, begin, end, tile_begin, tile_end);
  }
#endif
  dense_pixels(conv, epilogue, io, first_pixel, last_pixel, tile_begin, tile_end);
}

// One group of spans, tiles [tile_begin, tile_end), all steps.
inline void run_group(const PackedConv& conv, const Epilogue& epilogue, const UnitIo& io,
                      const Spans& spans, int64_t begin, int64_t end, int64_t tile_begin,
                      int64_t tile_end) {
  const Window& w = conv.window;
  const int64_t distinct = io.in[0].step_stride == 0 ? 1 : io.steps;
  if (is_dense(conv, io.in[0], distinct, spans, begin, end))
    return run_dense_group(conv, epilogue, io, spans, begin, end, tile_begin, tile_end);
  EventLists lists;
  lists.offset_stride = (spans.length - 1) * w.stride + w.kernel + 1;
  lists.offsets =
      scratch<uint32_t>(ScratchSlot::kOffsets, (end - begin) * distinct * lists.offset_stride);
  for (int64_t i = begin; i < end; ++i) {
    for (int64_t t = 0; t < distinct; ++t)
      build_list(w, io.in[0].bits_at(t), spans.at(i), (i - begin) * distinct + t, lists);
  }
  for (int64_t tile = tile_begin; tile < tile_end; ++tile) {
    for (int64_t i = begin; i < end; ++i) {
      gather_span_of(conv, tile * conv.tile, epilogue, io.steps, lists, (i - begin) * distinct,
                     distinct, spans.at(i));
    }
  }
}

// Outputs times steps that share one pass over a weight tile. Making tables pays for many.
inline int64_t group_pixel_steps(const PackedConv& conv, const UnitIo& io, const Spans& spans) {
  constexpr int64_t kFew = 256, kMany = 4096, kJudged = 8;
  const int64_t distinct = io.in[0].step_stride == 0 ? 1 : io.steps,
                all = spans.count * spans.length * io.steps,
                share = io.threads == 1 ? all : all / (2 * io.threads);
  if (share > kFew && fits_tables(conv) &&
      is_dense(conv, io.in[0], distinct, spans, 0, spans.count,
               (spans.count + kJudged - 1) / kJudged))
    return std::min(share, kMany);
  return kFew;
}

// `count` in as few parts of at most `most` as possible: size of the largest when all are nearly
// equal.
inline int64_t share(int64_t count, int64_t most) {
  const int64_t parts = (count + most - 1) / most;
  return (count + parts - 1) / parts;
}

void event_conv(const PackedConv& conv, const PackedEpilogue& packed, const UnitIo& io) {
  const Epilogue epilogue(packed, io);
  const Spans spans(conv.window);
  const int64_t tiles = conv.tiles(),
                most = std::clamp<int64_t>(
                    group_pixel_steps(conv, io, spans) / (spans.length * io.steps), 1, spans.count);
  const int64_t group = share(spans.count, most), groups = (spans.count + group - 1) / group;
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
  const int64_t tiles = conv.tiles();
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
