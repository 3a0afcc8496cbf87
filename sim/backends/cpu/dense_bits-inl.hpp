// Dense sums of spikes and integer weights for groups of output pixels (dense_bits.hpp), with the
// epilogue. Only AVX-512 machines with dot products have them.
//
// Inputs lie as event_conv numbers them: per span of neighbouring outputs the columns it sees, in
// each column ky, then channel. The window of an output is one contiguous run, so a 3x3 kernel
// copies an input three times, not nine.

#if defined(SPIKELOOM_CPU_DENSE_BITS_INL) == defined(HWY_TARGET_TOGGLE)
#ifdef SPIKELOOM_CPU_DENSE_BITS_INL
#undef SPIKELOOM_CPU_DENSE_BITS_INL
#else
#define SPIKELOOM_CPU_DENSE_BITS_INL
#endif

#include "sim/backends/cpu/dense_bits.hpp"
#include "sim/backends/cpu/simd-inl.hpp"

HWY_BEFORE_NAMESPACE();
namespace spikeloom::cpu {
namespace HWY_NAMESPACE {

#if HWY_TARGET == HWY_AVX3

// Output rows whose inputs are spread: where each begins in `values`, and which it is.
template <typename Int>
struct SpreadRows {
  Int* values;
  uint32_t *starts, *pixels;
  int64_t count = 0, steps, first_step;
};

// The inputs of outputs [x, x + pixels) of row y at one step, column by column; returns the end.
template <typename Int>
Int* spread_columns(const Window& w, const MutableSpikeView& in, int64_t y, int64_t x,
                    int64_t pixels, Int* to) {
  const int64_t columns = (pixels - 1) * w.stride + w.kernel, tap = dot_inputs<Int>(w.in_channels),
                top = y * w.stride - w.padding, left = x * w.stride - w.padding;
  if (w.kernel == 1 && w.stride == 1 && w.padding == 0 && w.in_channels % 64 == 0) {
    spread_bits(in.row(y * w.in_width + x), pixels * w.in_channels, to);  // rows without gaps
    return to + pixels * w.in_channels;
  }
  for (int64_t column = left; column < left + columns; ++column) {
    for (int64_t row = top; row < top + w.kernel; ++row, to += tap) {
      if (column < 0 || column >= w.in_width || row < 0 || row >= w.in_height) {
        std::fill_n(to, tap, Int{0});
      } else {
        spread_bits(in.row(row * w.in_width + column), w.in_channels, to);
      }
    }
  }
  return to;
}

// Spreads the inputs of spans [begin, end) at rows.steps steps from rows.first_step on. Rows are
// ordered by pixel, then step.
template <typename Int, class Spans>
void spread_spans(const Window& w, const ValueRef& in, const Spans& spans, int64_t begin,
                  int64_t end, SpreadRows<Int>& rows) {
  const int64_t column = w.kernel * dot_inputs<Int>(w.in_channels);
  Int* to = rows.values;
  for (int64_t i = begin; i < end; ++i) {
    const auto span = spans.at(i);
    if (span.pixels == 0) continue;
    const int64_t origin = to - rows.values;
    for (int64_t t = 0; t < rows.steps; ++t)
      to = spread_columns(w, in.bits_at(rows.first_step + t), span.y, span.x, span.pixels, to);
    const int64_t step = (to - rows.values - origin) / rows.steps;
    for (int64_t x = 0; x < span.pixels; ++x) {
      for (int64_t t = 0; t < rows.steps; ++t, ++rows.count) {
        rows.starts[rows.count] = static_cast<uint32_t>(origin + t * step + x * w.stride * column);
        rows.pixels[rows.count] = static_cast<uint32_t>(span.y * w.out_width + span.x + x);
      }
    }
  }
  // The last block of rows is a full one too.
  std::fill_n(rows.starts + rows.count, kDotRows, 0);
}

// Outputs [o, o + outputs) of all rows; `repeats` steps where one input serves all steps.
template <typename Int>
void dot_spread(const Epilogue& epilogue, const SpreadRows<Int>& rows, int64_t repeats,
                int64_t inputs, const Int* weights, int64_t block, int64_t o, int64_t outputs) {
  const Epilogue own(epilogue);
  HWY_ALIGN float sums[kDotRows * kDotOutputs];
  for (int64_t first = 0; first < rows.count; first += kDotRows) {
    const int64_t last = std::min(first + kDotRows, rows.count);
    for (int64_t r = first; r < last; ++r) {
      prefetch(own, rows.first_step + r % rows.steps, rows.pixels[r], o, outputs);
    }
    dot_rows(rows.values, rows.starts + first, inputs, weights, block, sums);
    for (int64_t r = first; r < last; ++r) {
      own.finish(own, row_of(own, rows.first_step + r % rows.steps, rows.pixels[r]),
                 sums + (r - first) * kDotOutputs, 0, repeats, o, outputs);
    }
  }
}

// All steps of spans [begin, end), weight tiles [tile_begin, tile_end).
template <typename Int, class Spans>
void dense_bits(const PackedConv& conv, const Epilogue& epilogue, const UnitIo& io,
                const Spans& spans, int64_t begin, int64_t end, int64_t tile_begin,
                int64_t tile_end) {
  constexpr int64_t kMostRows = 256;  // whose inputs stay in the second cache
  const Window& w = conv.window;
  const bool same_input = io.in[0].step_stride == 0;
  const int64_t distinct = same_input ? 1 : io.steps, pixels = (end - begin) * spans.length,
                steps = std::clamp<int64_t>(kMostRows / pixels, 1, distinct),
                column = w.kernel * dot_inputs<Int>(w.in_channels), inputs = w.kernel * column,
                columns = (spans.length - 1) * w.stride + w.kernel;
  const auto words = [](int64_t count) {
    return (count * static_cast<int64_t>(sizeof(Int)) + 3) / 4;
  };
  constexpr int64_t kSlack = 64;  // spread_bits writes whole words
  SpreadRows<Int> rows;
  rows.values = reinterpret_cast<Int*>(scratch<uint32_t>(
      ScratchSlot::kInputs, words((end - begin) * steps * columns * column + kSlack)));
  rows.starts = scratch<uint32_t>(ScratchSlot::kOffsets, 2 * (pixels * steps + kDotRows));
  rows.pixels = rows.starts + pixels * steps + kDotRows;
  Int* packed =
      reinterpret_cast<Int*>(scratch<uint32_t>(ScratchSlot::kTile, words(inputs * kDotOutputs)));
  for (int64_t t = 0; t < distinct; t += steps) {
    rows.count = 0;
    rows.first_step = t;
    rows.steps = std::min(steps, distinct - t);
    spread_spans(w, io.in[0], spans, begin, end, rows);
    if (rows.count == 0) return;
    for (int64_t tile = tile_begin; tile < tile_end; ++tile) {
      const int64_t o = tile * conv.tile, width = conv.row_width(o);
      const Int* weights = conv.weights.as<Int>().data() + o * conv.fan_in();
      for (int64_t at = 0; at < conv.outputs_at(o); at += kDotOutputs) {
        const int64_t block = std::min(kDotOutputs, width);
        Int* to = packed;
        for (int64_t tap = 0; tap < w.kernel * w.kernel; ++tap) {
          to = pack_dots(weights + tap * w.in_channels * width + at, width, w.in_channels, block,
                         to);
        }
        dot_spread(epilogue, rows, same_input ? io.steps : 1, inputs, packed, block, o + at,
                   std::min(kDotOutputs, conv.outputs_at(o) - at));
      }
    }
  }
}

#endif

}  // namespace HWY_NAMESPACE
}  // namespace spikeloom::cpu
HWY_AFTER_NAMESPACE();

#endif
