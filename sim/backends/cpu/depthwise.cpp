#include "sim/backends/cpu/depthwise.hpp"

#include "core/parallel.hpp"
#include "sim/backends/cpu/targets.hpp"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "sim/backends/cpu/depthwise.cpp"
#include <hwy/foreach_target.h>

#include "sim/backends/cpu/masked-inl.hpp"

HWY_BEFORE_NAMESPACE();
namespace spikeloom::cpu {
namespace HWY_NAMESPACE {

// A tile of outputs: sums and membranes stay in the fast caches over the steps, and the epilogue
// walks along runs of memory.
constexpr int64_t kTileColumns = 8, kTileChannels = 128;
constexpr int64_t kRowStride = kTileColumns * kTileChannels;  // of sums

// An operand in bytes: pixels of a row, rows and steps lie one after the other.
struct Operand {
  const char* first;
  int64_t pixel_bytes, row_bytes, step_bytes;
  const char* zeros;  // a row of them
};

struct DepthwiseCall {
  const PackedDepthwise& p;
  const Epilogue& epilogue;
  const UnitIo& io;
  Operand in;
};

// Sums of kRows outputs of a column, 16 channels (or a vector of them), to store(output, lane, sums
// from that lane on). Input row i of the column's window stands at rows[i] + offset; it serves up
// to kKernel outputs. Column by column of the kernel, rows ascending: each output meets its taps in
// the written order.
template <class Op, int kKernel, int kRows, class Store>
HWY_INLINE void column_sums(const char* const* rows, int64_t offset, int64_t pixel_bytes, int part,
                            int64_t columns, const typename Op::Number* taps, int64_t tap_stride,
                            Store store) {
  typename Op::Vector acc[kRows];
  unroll<kRows>([&](auto o) SPIKELOOM_INLINE { acc[o] = hn::Zero(Op::tag()); });
  for (int64_t kx = 0; kx < columns; ++kx, offset += pixel_bytes, taps += kKernel * tap_stride) {
    typename Op::Vector weights[kKernel];
    unroll<kKernel>([&](auto ky) SPIKELOOM_INLINE {
      weights[ky] = hn::LoadU(Op::tag(), taps + ky * tap_stride);
    });
    constexpr int kWindow =
        kRows + kKernel - 1;  // in any order: its halves in turns, which overlap
    unroll<kWindow>([&](auto i) SPIKELOOM_INLINE {
      constexpr int kRow = Op::kAnyOrder ? i / 2 + i % 2 * ((kWindow + 1) / 2) : i;
      const auto x = Op::load(rows[kRow] + offset, part);
      unroll<kKernel>([&](auto ky) SPIKELOOM_INLINE {
        constexpr int kOut = kRow - decltype(ky)::value;
        if constexpr (kOut >= 0 && kOut < kRows)
          acc[kOut] = Op::template add<decltype(ky)::value % 2>(acc[kOut], weights[ky], x);
      });
    });
  }
  unroll<kRows>([&](auto o) SPIKELOOM_INLINE {
    Op::as_floats(acc[o], [&](int lane, V y) SPIKELOOM_INLINE { store(o, lane, y); });
  });
}

// The same for one output of any kernel and stride.
template <class Op, class Store>
HWY_INLINE void pixel_sums(const DepthwiseCall& call, const char* step, int64_t y, int64_t x,
                           int64_t c, int part, Store store) {
  const Window& w = call.p.window;
  const int64_t left = x * w.stride - w.padding, top = y * w.stride - w.padding;
  const int64_t kx_end = std::min(w.kernel, w.in_width - left),
                ky_end = std::min(w.kernel, w.in_height - top);
  const int64_t tap_stride = call.p.tap_stride();
  auto acc = hn::Zero(Op::tag());
  for (int64_t kx = std::max<int64_t>(0, -left); kx < kx_end; ++kx) {
    for (int64_t ky = std::max<int64_t>(0, -top); ky < ky_end; ++ky) {
      const char* at = step + (top + ky) * call.in.row_bytes + (left + kx) * call.in.pixel_bytes +
                       Op::channel_bytes(c);
      const auto* taps = Op::taps(call.p) + (kx * w.kernel + ky) * tap_stride + c + part;
      acc = Op::template add<0>(acc, hn::LoadU(Op::tag(), taps), Op::load(at, part));
    }
  }
  Op::as_floats(acc, store);
}

// Where a tile lies; columns and channels end with the image.
struct Tile {
  int64_t top, rows, x_begin, x_end, c_begin, c_end;
};

// Where the sums of a tile go, * factors + addends of its channels: that of row y and column x
// stands at first + y * row_stride + x * column_stride.
struct TileSums {
  float* first;
  int64_t row_stride, column_stride;
  const float *factors, *addends;
};

// Sums of one step of a tile, one group of channels from c on. kKernel = 0: any kernel and stride.
template <class Op, int kKernel, int kRows>
void group_sums(const DepthwiseCall& call, const Tile& tile, const char* step, int64_t c,
                const TileSums& sums) {
  const Window& w = call.p.window;
  const Operand& in = call.in;
  const int64_t tap_stride = call.p.tap_stride(), row_stride = sums.row_stride,
                filled_rows = tile.rows, left_channels = tile.c_end - c;
  const auto* taps = Op::taps(call.p) + c;
  const char* rows[kRows + HWY_MAX(kKernel, 1) - 1];
  for (int64_t i = 0; i < kRows + kKernel - 1; ++i) {
    const int64_t y = tile.top - w.padding + i;
    rows[i] = y < 0 || y >= w.in_height ? in.zeros : step + y * in.row_bytes;
  }
  const float *factors = sums.factors + c - tile.c_begin,
              *addends = sums.addends + c - tile.c_begin;
  float* to = sums.first + c - tile.c_begin;
  for (int64_t x = tile.x_begin; x < tile.x_end; ++x, to += sums.column_stride) {
    const int64_t left = x - w.padding, first = std::clamp<int64_t>(-left, 0, kKernel);
    const int64_t columns = std::min<int64_t>(kKernel, w.in_width - left) - first;
    for (int64_t y = 0; y < filled_rows; ++y) {  // a result comes from beyond the second cache
      for (int64_t lane = 0; lane < Op::kGroup; lane += 16)
        __builtin_prefetch(to + y * row_stride + lane, 1);
    }
    for (int part = 0; part < Op::kGroup; part += Op::kLanes) {
      const auto store = [=](int64_t y, int lane, V sum) SPIKELOOM_INLINE {
        if (y < filled_rows && part + lane < left_channels) {
          const V scaled = hn::Mul(sum, hn::LoadU(kD, factors + part + lane));
          hn::StoreU(hn::Add(scaled, hn::LoadU(kD, addends + part + lane)), kD,
                     to + y * row_stride + part + lane);
        }
      };
      if constexpr (kKernel == 0) {
        for (int64_t y = 0; y < filled_rows; ++y) {
          pixel_sums<Op>(call, step, tile.top + y, x, c, part,
                         [&](int lane, V sum) SPIKELOOM_INLINE { store(y, lane, sum); });
        }
      } else {
        column_sums<Op, kKernel, kRows>(
            rows, (left + first) * in.pixel_bytes + Op::channel_bytes(c), in.pixel_bytes, part,
            columns, taps + first * kKernel * tap_stride + part, tap_stride, store);
      }
    }
  }
}

template <class Op, int kKernel, int kRows>
void run_tile(const DepthwiseCall& call, const Tile& tile) {
  HWY_ALIGN float ones[kTileChannels], zeros[kTileChannels];
  std::fill_n(ones, kTileChannels, 1.0f);
  std::fill_n(zeros, kTileChannels, -0.0f);  // what is added to nothing: x + -0 is x
  const Epilogue& e = call.epilogue;
  const int64_t width = call.p.window.out_width, first_row = tile.top * width + tile.x_begin;
  const bool same_input = call.in.step_bytes == 0 && call.io.steps > 1;
  // Where nothing but a pair follows the sums, they go straight to the result.
  const bool direct = !same_input && e.pairs <= 1 && e.other == nullptr && e.spikes == nullptr;
  float* memory = scratch<float>(ScratchSlot::kSums, kRows * kRowStride);
  for (int64_t t = 0; t < (same_input ? 1 : call.io.steps); ++t) {
    TileSums sums{memory, kRowStride, kTileChannels, ones, zeros};
    if (direct) {
      sums.first = row_of(e, t, first_row).real + tile.c_begin;
      sums.row_stride = width * e.row_floats;
      sums.column_stride = e.row_floats;
    }
    if (direct && e.pairs == 1) {
      sums.factors = e.affine + tile.c_begin;
      sums.addends = sums.factors + e.row_floats;
    }
    for (int64_t c = tile.c_begin; c < tile.c_end; c += Op::kGroup)
      group_sums<Op, kKernel, kRows>(call, tile, call.in.first + t * call.in.step_bytes, c, sums);
    for (int64_t s = t; !direct && s < (same_input ? call.io.steps : t + 1); ++s) {
      for (int64_t y = 0; y < tile.rows; ++y) {
        finish(e, memory + y * kRowStride, kTileChannels, s, first_row + y * width, 1,
               tile.x_end - tile.x_begin, tile.c_begin, tile.c_end - tile.c_begin);
      }
    }
  }
}

template <class Op, int kKernel, int kRows>
void run_tiles(const PackedDepthwise& p, const PackedEpilogue& packed, const UnitIo& io) {
  const Epilogue epilogue(packed, io);
  const Window& w = p.window;
  const bool bits = io.in[0].bits != nullptr;
  const int64_t pixel_bytes = Op::pixel_bytes(w.in_channels), row_bytes = w.in_width * pixel_bytes,
                step_bytes = io.in[0].step_stride * (bits ? 8 : 4);
  const auto* first = bits ? reinterpret_cast<const char*>(io.in[0].bits)
                           : reinterpret_cast<const char*>(io.in[0].real);
  const int64_t channels = padded(w.out_channels),
                blocks = (channels + kTileChannels - 1) / kTileChannels,
                runs = (w.out_width + kTileColumns - 1) / kTileColumns,
                bands = (w.out_height + kRows - 1) / kRows;
  parallel_for(bands * runs * blocks, 1, io.threads, [&](int64_t begin, int64_t end) {
    auto* zeros = scratch<uint32_t>(ScratchSlot::kInputs, row_bytes / 4);
    std::fill_n(zeros, row_bytes / 4, 0u);
    const DepthwiseCall call{
        p,
        epilogue,
        io,
        {first, pixel_bytes, row_bytes, step_bytes, reinterpret_cast<const char*>(zeros)}};
    for (int64_t item = begin; item < end; ++item) {
      const int64_t c = item % blocks * kTileChannels, x = item / blocks % runs * kTileColumns;
      const int64_t top = item / blocks / runs * kRows;
      run_tile<Op, kKernel, kRows>(call, {top, std::min<int64_t>(kRows, w.out_height - top), x,
                                          std::min(x + kTileColumns, w.out_width), c,
                                          std::min(c + kTileChannels, channels)});
    }
  });
}

// Rows of a tile: as many as leave registers for the weights, fewer where the image would waste
// them.
template <class Op, int kKernel>
void run_kernel(const PackedDepthwise& p, const PackedEpilogue& packed, const UnitIo& io) {
  constexpr int kTall = HWY_TARGET == HWY_AVX3 ? 14 : 8, kShort = HWY_TARGET == HWY_AVX3 ? 8 : 4;
  const auto rows_computed = [&](int64_t rows) {
    return (p.window.out_height + rows - 1) / rows * rows;
  };
  if (rows_computed(kShort) < rows_computed(kTall)) {
    run_tiles<Op, kKernel, kShort>(p, packed, io);
  } else {
    run_tiles<Op, kKernel, kTall>(p, packed, io);
  }
}

template <class Op>
void run_operand(const PackedDepthwise& p, const PackedEpilogue& packed, const UnitIo& io) {
  switch (p.window.stride == 1 ? p.window.kernel : 0) {
    case 3: return run_kernel<Op, 3>(p, packed, io);
    case 5: return run_kernel<Op, 5>(p, packed, io);
    case 7: return run_kernel<Op, 7>(p, packed, io);
    default: return run_tiles<Op, 0, 8>(p, packed, io);
  }
}

void depthwise(const PackedDepthwise& p, const PackedEpilogue& packed, const UnitIo& io) {
  if (io.in[0].bits == nullptr) return run_operand<Real>(p, packed, io);
  if (p.taps.dtype() == DType::kI16) return run_operand<Masked<int16_t>>(p, packed, io);
  run_operand<Masked<float>>(p, packed, io);
}

}  // namespace HWY_NAMESPACE
}  // namespace spikeloom::cpu
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace spikeloom::cpu {

DepthwiseKernel depthwise_for(int64_t target) {
  SPIKELOOM_PICK(target, depthwise);
}

}  // namespace spikeloom::cpu
#endif
