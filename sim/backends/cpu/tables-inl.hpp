// Dense sums of spikes and integer weights by tables (tables.hpp) for layers without a window, with
// the epilogue. Only AVX-512 machines with byte permutations have them.

#if defined(SPIKELOOM_CPU_TABLES_INL) == defined(HWY_TARGET_TOGGLE)
#ifdef SPIKELOOM_CPU_TABLES_INL
#undef SPIKELOOM_CPU_TABLES_INL
#else
#define SPIKELOOM_CPU_TABLES_INL
#endif

#include "sim/backends/cpu/simd-inl.hpp"
#include "sim/backends/cpu/tables.hpp"

HWY_BEFORE_NAMESPACE();
namespace spikeloom::cpu {
namespace HWY_NAMESPACE {

// Whether the tables have a form for this layer: no window, sums of six in 16 bits.
inline bool fits_tables(const PackedConv& conv) {
  const Window& w = conv.window;
  return conv.weights.dtype() != DType::kF32 && w.kernel == 1 && w.stride == 1 && w.padding == 0 &&
         conv.safe_events >= kTableInputs && HWY_TARGET == HWY_AVX3 && has_tables();
}

#if HWY_TARGET == HWY_AVX3

constexpr int64_t kTableOutputs = 64;  // finished together
constexpr int64_t kTableGroups = 64;   // whose tables, of two outputs, stay in the first cache

// Inputs whose sums surely fit 16 bits, in whole tables, and how many such runs there are.
inline int64_t table_run(const PackedConv& conv) {
  const int64_t all = table_groups(conv.fan_in()) * kTableInputs;
  return std::min(all, std::max(conv.safe_events / kTableInputs, int64_t{1}) * kTableInputs);
}
inline int64_t table_runs(const PackedConv& conv) {
  const int64_t run = table_run(conv);
  return (conv.fan_in() + run - 1) / run;
}

// Rows are pixels times the steps with events of their own, steps running fastest.
struct TableRows {
  int64_t first_pixel, pixels, distinct, blocks;
  uint16_t* indices;
  int64_t stride;  // of a chunk
};

inline TableRows index_rows(const PackedConv& conv, const UnitIo& io, int64_t begin, int64_t end) {
  const int64_t channels = conv.fan_in(), distinct = io.in[0].step_stride == 0 ? 1 : io.steps,
                count = (end - begin) * distinct, blocks = (count + kTableRows - 1) / kTableRows,
                stride = index_vectors(channels) * kTableBlocks * kTableRows,
                chunks = (blocks + kTableBlocks - 1) / kTableBlocks;
  auto* indices =
      reinterpret_cast<uint16_t*>(scratch<uint32_t>(ScratchSlot::kEvents, chunks * stride / 2));
  for (int64_t block = 0; block < blocks; ++block) {
    const uint64_t* rows[kTableRows];
    const int64_t first = block * kTableRows, here = std::min(kTableRows, count - first);
    for (int64_t i = 0; i < here; ++i) {
      const int64_t row = first + i;
      rows[i] = io.in[0].bits_at(row % distinct).row(begin + row / distinct);
    }
    make_indices(rows, here, channels,
                 indices + block / kTableBlocks * stride + block % kTableBlocks * kTableRows);
  }
  return {begin, end - begin, distinct, blocks, indices, stride};
}

// visit(pixel, t, steps) for the rows of a block, in order: all steps of a pixel in it at once.
template <typename F>
HWY_INLINE void each_pixel(const TableRows& rows, int64_t block, F visit) {
  const int64_t first = block * kTableRows;
  int64_t left = std::min(kTableRows, rows.pixels * rows.distinct - first),
          pixel = rows.first_pixel + first / rows.distinct, t = first % rows.distinct;
  for (; left > 0; ++pixel, t = 0) {
    const int64_t steps = std::min(left, rows.distinct - t);
    visit(pixel, t, steps);
    left -= steps;
  }
}

// The rows of one block, whose sums stand at `sums`, `width` apart.
inline void finish_block(const Epilogue& e, const TableRows& rows, int64_t steps, int64_t block,
                         const float* sums, int64_t o, int64_t width, int64_t outputs) {
  const bool repeats = rows.distinct < steps;
  each_pixel(rows, block, [&](int64_t pixel, int64_t t, int64_t here) {
    e.finish(e, row_of(e, t, pixel), sums, repeats ? 0 : width, repeats ? steps : here, o, outputs);
    sums += here * width;
  });
}

// Asks for what finish_block() will read.
inline void prefetch_block(const Epilogue& e, const TableRows& rows, int64_t block, int64_t o,
                           int64_t outputs) {
  each_pixel(rows, block, [&](int64_t pixel, int64_t t, int64_t steps) {
    for (int64_t s = 0; s < steps; ++s) prefetch(e, t + s, pixel, o, outputs);
  });
}

// Sums of `width` outputs, whose weights stand at `numbers`, for all rows: parts[run][output][row],
// rows padded to whole blocks.
inline void add_outputs(const PackedConv& conv, const TableRows& rows, const int16_t* numbers,
                        int64_t width, int16_t* parts) {
  const int64_t groups = table_groups(conv.fan_in()), run = table_run(conv) / kTableInputs,
                length = rows.blocks * kTableRows, stride = numbers_stride(conv.fan_in());
  HWY_ALIGN int16_t tables[2][kTableGroups * kTableEntries];
  for (int64_t k = 0; k < width; k += 2, numbers += 2 * stride) {
    for (int64_t from = 0, count; from < groups; from += count) {
      const int64_t part = from / run, last = std::min((part + 1) * run, groups);
      count = std::min(kTableGroups, last - from);
      make_tables(numbers + from * kTableInputs, count, tables[0]);
      make_tables(numbers + stride + from * kTableInputs, count, tables[1]);
      int16_t* to = parts + (part * width + k) * length;
      const uint16_t* indices = rows.indices + from * kTableBlocks * kTableRows;
      for (int64_t block = 0; block < rows.blocks; block += kTableBlocks) {
        add_tables(tables[0], tables[1], count, indices,
                   std::min(kTableBlocks, rows.blocks - block), from == part * run, to,
                   to + length);
        indices += rows.stride;
        to += kTableBlocks * kTableRows;
      }
    }
  }
}

// Outputs [o, o + outputs) of all rows from their parts.
inline void finish_outputs(const PackedConv& conv, const Epilogue& epilogue, const TableRows& rows,
                           int64_t steps, const int16_t* parts, int64_t o, int64_t width,
                           int64_t outputs) {
  const Epilogue own(epilogue);
  const int64_t runs = table_runs(conv), length = rows.blocks * kTableRows;
  HWY_ALIGN float sums[kTableRows * kTableOutputs];
  prefetch_block(own, rows, 0, o, outputs);
  for (int64_t block = 0; block < rows.blocks; ++block) {
    if (block + 1 < rows.blocks) prefetch_block(own, rows, block + 1, o, outputs);
    for (int64_t k = 0; k < width; k += 32) {
      for (int64_t i = 0; i < runs; ++i)
        add_transposed(parts + (i * width + k) * length + block * kTableRows, length, i == 0, width,
                       sums + k);
    }
    finish_block(own, rows, steps, block, sums, o, width, outputs);
  }
}

// Output pixels [begin, end), weight tiles [tile_begin, tile_end), all steps.
template <typename Int>
void table_sums(const PackedConv& conv, const Epilogue& epilogue, const UnitIo& io, int64_t begin,
                int64_t end, int64_t tile_begin, int64_t tile_end) {
  const int64_t channels = conv.fan_in();
  const TableRows rows = index_rows(conv, io, begin, end);
  auto* numbers = reinterpret_cast<int16_t*>(
      scratch<uint32_t>(ScratchSlot::kTile, kTableOutputs * numbers_stride(channels) / 2));
  auto* parts = reinterpret_cast<int16_t*>(scratch<uint32_t>(
      ScratchSlot::kSums, table_runs(conv) * kTableOutputs * rows.blocks * kTableRows / 2));
  for (int64_t tile = tile_begin; tile < tile_end; ++tile) {
    const int64_t o = tile * conv.tile, row_width = conv.row_width(o), outputs = conv.outputs_at(o);
    const Int* weights = conv.weights.as<Int>().data() + o * channels;
    for (int64_t at = 0; at < outputs; at += kTableOutputs) {
      const int64_t here = std::min(kTableOutputs, outputs - at), width = (here + 31) / 32 * 32;
      collect_numbers(weights, row_width, channels, at, width, numbers);
      add_outputs(conv, rows, numbers, width, parts);
      finish_outputs(conv, epilogue, rows, io.steps, parts, o + at, width, here);
    }
  }
}

#endif

}  // namespace HWY_NAMESPACE
}  // namespace spikeloom::cpu
HWY_AFTER_NAMESPACE();

#endif
