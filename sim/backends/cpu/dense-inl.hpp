// Ordered dense sums for a range of output pixels: acc = fma(w, x, acc) over kx, ky, channel from
// +0, register tiles of several pixels x several vectors of outputs. Inputs that are not a plain
// matrix are copied into rows of (kx, ky, channel) order first, with zeros for padding (fma(w, 0,
// acc) = acc); spikes become 0 and 1.

#if defined(SPIKELOOM_CPU_DENSE_INL) == defined(HWY_TARGET_TOGGLE)
#ifdef SPIKELOOM_CPU_DENSE_INL
#undef SPIKELOOM_CPU_DENSE_INL
#else
#define SPIKELOOM_CPU_DENSE_INL
#endif

#include "sim/backends/cpu/simd-inl.hpp"

HWY_BEFORE_NAMESPACE();
namespace spikeloom::cpu {
namespace HWY_NAMESPACE {

constexpr int64_t kDensePixels = 24;  // pixels that share one pass over a weight tile

// Rows [0, kRows) x kVectors vectors of outputs.
template <int kRows, int kVectors>
HWY_INLINE void dense_block(const float* x, int64_t x_stride, int64_t fan_in, const float* w,
                            int64_t w_stride, float* sums, int64_t sum_stride) {
  V acc[kRows][kVectors];
  for (auto& row : acc) {
    for (V& a : row) a = hn::Zero(kD);
  }
  for (int64_t i = 0; i < fan_in; ++i, w += w_stride) {
    V weight[kVectors];
#pragma GCC unroll 8
    for (int v = 0; v < kVectors; ++v) weight[v] = hn::LoadU(kD, w + v * kLanes);
#pragma GCC unroll 8
    for (int r = 0; r < kRows; ++r) {
      const V input = hn::Set(kD, x[r * x_stride + i]);
#pragma GCC unroll 8
      for (int v = 0; v < kVectors; ++v) acc[r][v] = exact_fma(weight[v], input, acc[r][v]);
    }
  }
#pragma GCC unroll 8
  for (int r = 0; r < kRows; ++r) {
#pragma GCC unroll 8
    for (int v = 0; v < kVectors; ++v)
      hn::StoreU(acc[r][v], kD, sums + r * sum_stride + v * kLanes);
  }
}

template <int kVectors>
HWY_INLINE void dense_columns(const float* x, int64_t x_stride, int64_t rows, int64_t fan_in,
                              const float* w, int64_t w_stride, float* sums, int64_t sum_stride) {
  int64_t r = 0;
  for (; r + 6 <= rows; r += 6) {
    dense_block<6, kVectors>(x + r * x_stride, x_stride, fan_in, w, w_stride, sums + r * sum_stride,
                             sum_stride);
  }
  for (; r + 2 <= rows; r += 2) {
    dense_block<2, kVectors>(x + r * x_stride, x_stride, fan_in, w, w_stride, sums + r * sum_stride,
                             sum_stride);
  }
  for (; r < rows; ++r) {
    dense_block<1, kVectors>(x + r * x_stride, x_stride, fan_in, w, w_stride, sums + r * sum_stride,
                             sum_stride);
  }
}

// All outputs of one weight tile (width a multiple of 16) for `rows` inputs.
inline void dense_tile(const float* x, int64_t x_stride, int64_t rows, int64_t fan_in,
                       const float* w, int64_t width, float* sums) {
  constexpr int kWide = kLanes == 16 ? 4 : kLanes == 8 ? 2 : 4;
  int64_t o = 0;
  for (; o + kWide * kLanes <= width; o += kWide * kLanes) {
    dense_columns<kWide>(x, x_stride, rows, fan_in, w + o, width, sums + o, width);
  }
  for (; o + 2 * kLanes <= width; o += 2 * kLanes)
    dense_columns<2>(x, x_stride, rows, fan_in, w + o, width, sums + o, width);
  for (; o + kLanes <= width; o += kLanes)
    dense_columns<1>(x, x_stride, rows, fan_in, w + o, width, sums + o, width);
}

// Channels of a spike row as 0 and 1; writes zeros up to the next multiple of 16.
inline void spread_row(const uint64_t* row, int64_t channels, float* to) {
  const V one = hn::Set(kD, 1.0f);
  for (int64_t c = 0; c < channels; c += 16) {
    const uint32_t bits = load_bits16(row, c);
    for (int lane = 0; lane < 16; lane += kLanes) {
      const uint64_t part = (bits >> lane) & ((1u << kLanes) - 1);
      hn::StoreU(hn::IfThenElseZero(mask_of_bits(kD, part), one), kD, to + c + lane);
    }
  }
}

// The inputs of one output pixel in (kx, ky, channel) order.
inline void gather_inputs(const Window& w, const ValueRef& in, int64_t at_step, int64_t pixel,
                          float* to) {
  const int64_t left = pixel % w.out_width * w.stride - w.padding,
                top = pixel / w.out_width * w.stride - w.padding;
  for (int64_t x = left; x < left + w.kernel; ++x) {
    for (int64_t y = top; y < top + w.kernel; ++y, to += w.in_channels) {
      if (x < 0 || x >= w.in_width || y < 0 || y >= w.in_height) {
        std::fill(to, to + w.in_channels, 0.0f);
      } else if (in.bits == nullptr) {
        std::memcpy(to, in.real_row(at_step, y * w.in_width + x),
                    static_cast<size_t>(w.in_channels) * sizeof(float));
      } else {
        spread_row(in.bits_at(at_step).row(y * w.in_width + x), w.in_channels, to);
      }
    }
  }
}

// The weights of the tile of outputs from o on as numbers of fp32, rows conv.row_width(o) apart.
// Sums of integers are exact: packing proves that they stay below 2^24.
inline const float* float_tile(const PackedConv& conv, int64_t o) {
  const int64_t count = conv.fan_in() * conv.row_width(o), at = o * conv.fan_in();
  if (conv.weights.dtype() == DType::kF32) return conv.weights.f32().data() + at;
  float* numbers = scratch<float>(ScratchSlot::kTile, count);
  if (conv.weights.dtype() == DType::kI8) {
    const int64_t width = conv.row_width(o);
    const int8_t* row = conv.weights.as<int8_t>().data() + at;
    for (int64_t first = 0; first < count; first += width, row += width) {
      for (int64_t i = 0; i < width; ++i) {
        const PairPlace place = pair_place(width, i);
        numbers[first + i] = static_cast<int8_t>(row[place.byte] ^ place.flipped);
      }
    }
  } else {
    std::copy_n(conv.weights.as<int16_t>().data() + at, count, numbers);
  }
  return numbers;
}

// Output pixels [begin, end) and weight tiles [tile_begin, tile_end), all steps.
inline void dense_pixels(const PackedConv& conv, const Epilogue& epilogue, const UnitIo& io,
                         int64_t begin, int64_t end, int64_t tile_begin, int64_t tile_end) {
  const Window& w = conv.window;
  const ValueRef& in = io.in[0];
  const int64_t fan_in = conv.fan_in();
  const bool plain = in.bits == nullptr && w.kernel == 1 && w.stride == 1 && w.padding == 0;
  const bool same_input = in.step_stride == 0;
  // spread_row() writes up to 15 zeros behind a row.
  float* gathered =
      plain ? nullptr : scratch<float>(ScratchSlot::kInputs, kDensePixels * fan_in + 16);
  float* sums = scratch<float>(ScratchSlot::kSums, kDensePixels * conv.tile);
  for (int64_t first = begin; first < end; first += kDensePixels) {
    const int64_t rows = std::min(kDensePixels, end - first);
    for (int64_t t = 0; t < (same_input ? 1 : io.steps); ++t) {
      for (int64_t r = 0; !plain && r < rows; ++r)
        gather_inputs(w, in, t, first + r, gathered + r * fan_in);
      const float* x = plain ? in.real_row(t, first) : gathered;
      for (int64_t tile = tile_begin; tile < tile_end; ++tile) {
        const int64_t o = tile * conv.tile, width = conv.row_width(o);
        dense_tile(x, plain ? padded(w.in_channels) : fan_in, rows, fan_in, float_tile(conv, o),
                   width, sums);
        for (int64_t s = t; s < (same_input ? io.steps : t + 1); ++s) {
          finish(epilogue, sums, width, s, first, 1, rows, o, conv.outputs_at(o));
        }
      }
    }
  }
}

// Whether every step is one row and the rows of all steps form a matrix: the chunk of a token
// model.
inline bool steps_are_rows(const PackedConv& conv, const UnitIo& io) {
  const Window& w = conv.window;
  return io.steps > 1 && io.in[0].bits == nullptr && w.kernel == 1 && w.stride == 1 &&
         w.padding == 0 && w.out_height * w.out_width == 1 &&
         io.in[0].step_stride == padded(w.in_channels);
}

// dense_pixels() where steps_are_rows(): steps share the passes over the weights.
inline void dense_steps(const PackedConv& conv, const Epilogue& epilogue, const UnitIo& io,
                        int64_t tile_begin, int64_t tile_end) {
  const int64_t fan_in = conv.fan_in(), outputs = padded(conv.window.out_channels);
  float* sums = scratch<float>(ScratchSlot::kSums, kDensePixels * conv.tile);
  for (int64_t tile = tile_begin; tile < tile_end; ++tile) {
    const int64_t o = tile * conv.tile, width = std::min(conv.tile, outputs - o);
    const float* weights = conv.weights.f32().data() + o * fan_in;
    for (int64_t first = 0; first < io.steps; first += kDensePixels) {
      const int64_t steps = std::min(kDensePixels, io.steps - first);
      dense_tile(io.in[0].real_at(first), io.in[0].step_stride, steps, fan_in, weights, width,
                 sums);
      for (int64_t s = 0; s < steps; ++s) {
        finish(epilogue, sums + s * width, width, first + s, 0, 1, 1, o, width);
      }
    }
  }
}

}  // namespace HWY_NAMESPACE
}  // namespace spikeloom::cpu
HWY_AFTER_NAMESPACE();

#endif
