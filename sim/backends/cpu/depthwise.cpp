#include "sim/backends/cpu/depthwise.hpp"

#include "core/parallel.hpp"
#include "sim/backends/cpu/targets.hpp"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "sim/backends/cpu/depthwise.cpp"
#include <hwy/foreach_target.h>

#include "sim/backends/cpu/events-inl.hpp"

HWY_BEFORE_NAMESPACE();
namespace spikeloom::cpu {
namespace HWY_NAMESPACE {

constexpr double kDenseRate = 0.18;  // firing rate above which the dense kernel is faster

// Sums of one channel block: [channel][kernel columns][column_stride], indexed by output y + kernel
// - 1 - padding.
struct Ring {
  float* sums;
  int64_t column_stride;
};

// Adds the spikes of one input column: events y * 16 + channel. `rotation` = x mod kernel: ring
// slot s takes weight column (s - rotation) mod kernel.
template <int kKernel, int kFloats>
HWY_INLINE void add_column(const uint32_t* events, int64_t count, int64_t rotation,
                           const float* columns, const Ring& ring) {
  const hn::CappedTag<float, kFloats> d;
  constexpr int kStep = HWY_MIN(kFloats, HWY_LANES(float));
  const float* first = columns + (kKernel - rotation) * kFloats;
  for (int64_t i = 0; i < count; ++i) {
    const int64_t channel = events[i] & 15, y = events[i] >> 4;
    const float* weights = first + channel * (2 * kKernel * kFloats);
    float* sums = ring.sums + channel * kKernel * ring.column_stride + y;
#pragma GCC unroll 16
    for (int slot = 0; slot < kKernel; ++slot) {
#pragma GCC unroll 16
      for (int part = 0; part < kFloats; part += kStep) {
        float* at = sums + slot * ring.column_stride + part;
        hn::StoreU(hn::Add(hn::LoadU(d, at), hn::LoadU(d, weights + slot * kFloats + part)), d, at);
      }
    }
  }
}

// Any kernel size.
HWY_INLINE void add_column_any(const PackedDepthwise& p, const uint32_t* events, int64_t count,
                               int64_t rotation, const float* columns, const Ring& ring) {
  const int64_t kernel = p.window.kernel, floats = p.column_floats;
  for (int64_t i = 0; i < count; ++i) {
    const int64_t channel = events[i] & 15, y = events[i] >> 4;
    for (int64_t slot = 0; slot < kernel; ++slot) {
      const float* weights = columns + (channel * 2 * kernel + kernel - rotation + slot) * floats;
      float* at = ring.sums + (channel * kernel + slot) * ring.column_stride + y;
      for (int64_t k = 0; k < kernel; ++k) at[k] += weights[k];
    }
  }
}

// from[channel * channel_stride + y] -> to[y * 16 + channel], 16 channels; y up to the next
// multiple of 16.
HWY_INLINE void transpose_column(const float* from, int64_t channel_stride, int64_t rows,
                                 float* to) {
#if HWY_TARGET == HWY_SCALAR
  for (int64_t y = 0; y < rows; ++y) {
    for (int64_t c = 0; c < 16; ++c) to[y * 16 + c] = from[c * channel_stride + y];
  }
#else
  const hn::FixedTag<float, 4> d;
  const hn::FixedTag<double, 2> dd;
  for (int64_t y = 0; y < rows; y += 4) {
    for (int64_t c = 0; c < 16; c += 4) {
      const float* at = from + c * channel_stride + y;
      const auto a = hn::LoadU(d, at), b = hn::LoadU(d, at + channel_stride);
      const auto e = hn::LoadU(d, at + 2 * channel_stride),
                 f = hn::LoadU(d, at + 3 * channel_stride);
      const auto ab0 = hn::BitCast(dd, hn::InterleaveLower(d, a, b)),
                 ab1 = hn::BitCast(dd, hn::InterleaveUpper(d, a, b));
      const auto ef0 = hn::BitCast(dd, hn::InterleaveLower(d, e, f)),
                 ef1 = hn::BitCast(dd, hn::InterleaveUpper(d, e, f));
      float* row = to + y * 16 + c;
      hn::StoreU(hn::BitCast(d, hn::InterleaveLower(dd, ab0, ef0)), d, row);
      hn::StoreU(hn::BitCast(d, hn::InterleaveUpper(dd, ab0, ef0)), d, row + 16);
      hn::StoreU(hn::BitCast(d, hn::InterleaveLower(dd, ab1, ef1)), d, row + 32);
      hn::StoreU(hn::BitCast(d, hn::InterleaveUpper(dd, ab1, ef1)), d, row + 48);
    }
  }
#endif
}

// Output columns [x_begin, x_end) of the 16 channels from `channel` on, one step.
inline void depthwise_block(const PackedDepthwise& p, const Epilogue& epilogue, const UnitIo& io,
                            int64_t t, int64_t channel, int64_t x_begin, int64_t x_end) {
  const Window& w = p.window;
  const int64_t kernel = w.kernel,
                shift = kernel - 1 - w.padding;  // column X of the ring is output x = X - shift
  const MutableSpikeView in = io.in[0].bits_at(t);
  Ring ring{nullptr,
            (std::max(w.in_height + kernel - 1 + p.column_floats, shift + w.out_height + 16) + 15) /
                    16 * 16 +
                16};
  const int64_t ring_floats = 16 * kernel * ring.column_stride;
  ring.sums = scratch<float>(ScratchSlot::kSums, ring_floats);
  std::fill(ring.sums, ring.sums + ring_floats, 0.0f);
  float* tile = scratch<float>(ScratchSlot::kTile, (w.out_height + 16) * 16);
  uint32_t* events = scratch<uint32_t>(ScratchSlot::kEvents, w.in_height * 16 + kEventSlack);
  const float* columns = p.columns.f32().data() + channel * 2 * kernel * p.column_floats;
  for (int64_t x = std::max<int64_t>(0, x_begin + shift - (kernel - 1)); x < x_end + shift; ++x) {
    const int64_t slot = x % kernel;
    // What the epilogue of this column will read comes from far caches: ask now.
    if (epilogue.state != nullptr && x - shift >= x_begin) {
      const float* ahead = io.state + (x - shift) * padded(w.out_channels) + channel;
      for (int64_t y = 0; y < w.out_height; ++y) {
        __builtin_prefetch(ahead + y * w.out_width * padded(w.out_channels), 1, 2);
      }
    }
    if (x < w.in_width) {
      uint32_t* end = events;
      for (int64_t y = 0; y < w.in_height; ++y) {
        end = append_events16(load_bits16(in.row(y * w.in_width + x), channel),
                              static_cast<uint32_t>(y * 16), end);
      }
      switch (kernel) {
        case 3: add_column<3, 4>(events, end - events, slot, columns, ring); break;
        case 5: add_column<5, 8>(events, end - events, slot, columns, ring); break;
        case 7: add_column<7, 8>(events, end - events, slot, columns, ring); break;
        default: add_column_any(p, events, end - events, slot, columns, ring); break;
      }
    }
    float* done = ring.sums + slot * ring.column_stride;
    const int64_t channel_stride = kernel * ring.column_stride, out_x = x - shift;
    if (out_x >= x_begin) {
      transpose_column(done + shift, channel_stride, w.out_height, tile);
      finish(epilogue, tile, 16, t, out_x, w.out_width, w.out_height, channel, 16);
    }
    for (int64_t c = 0; c < 16; ++c) {
      std::fill(done + c * channel_stride, done + c * channel_stride + ring.column_stride, 0.0f);
    }
  }
}

// acc += w where the operand's bit is set: bits of 16 * n channels from c on.
template <int kVectors>
HWY_INLINE void add_masked(const uint64_t* bits, int64_t c, const float* weights, V* acc) {
#pragma GCC unroll 16
  for (int v = 0; v < kVectors; ++v) {
    const uint64_t set = load_bits16(bits, c + v * kLanes / 16 * 16) >> (v * kLanes % 16);
    const auto mask = hn::LoadMaskBits(kD, reinterpret_cast<const uint8_t*>(&set));
    acc[v] = hn::Add(acc[v], hn::IfThenElseZero(mask, hn::LoadU(kD, weights + v * kLanes)));
  }
}

// One output pixel, `kVectors` vectors of channels from `c` on.
template <int kVectors, bool kSpikes>
HWY_INLINE void dense_pixel(const PackedDepthwise& p, const ValueRef& in, int64_t t, int64_t pixel,
                            int64_t c, float* sums) {
  const Window& w = p.window;
  const int64_t row_floats = padded(w.in_channels), row_words = words_for(w.in_channels);
  const int64_t left = pixel % w.out_width * w.stride - w.padding,
                top = pixel / w.out_width * w.stride - w.padding;
  const int64_t kx_end = std::min(w.kernel, w.in_width - left),
                ky_end = std::min(w.kernel, w.in_height - top);
  const int64_t ky_begin = std::max<int64_t>(0, -top);
  const float* real = kSpikes ? nullptr : in.real_at(t);
  const uint64_t* bits = kSpikes ? in.bits + t * in.step_stride : nullptr;
  V acc[kVectors];
#pragma GCC unroll 16
  for (int v = 0; v < kVectors; ++v) acc[v] = hn::Zero(kD);
  for (int64_t kx = std::max<int64_t>(0, -left); kx < kx_end; ++kx) {
    int64_t row = (top + ky_begin) * w.in_width + left + kx;
    const float* weights = p.taps.f32().data() + (kx * w.kernel + ky_begin) * row_floats + c;
    for (int64_t ky = ky_begin; ky < ky_end; ++ky, row += w.in_width, weights += row_floats) {
      if constexpr (kSpikes) {
        add_masked<kVectors>(bits + row * row_words, c, weights, acc);
      } else {
        const float* x = real + row * row_floats + c;
#pragma GCC unroll 16
        for (int v = 0; v < kVectors; ++v) {
          acc[v] =
              exact_fma(hn::LoadU(kD, weights + v * kLanes), hn::LoadU(kD, x + v * kLanes), acc[v]);
        }
      }
    }
  }
#pragma GCC unroll 16
  for (int v = 0; v < kVectors; ++v) hn::StoreU(acc[v], kD, sums + v * kLanes);
}

// All channels of one output pixel.
template <bool kSpikes>
void dense_channels(const PackedDepthwise& p, const ValueRef& in, int64_t t, int64_t pixel,
                    float* sums) {
  const int64_t channels = padded(p.window.out_channels);
  constexpr int64_t kWide = HWY_MAX(16, 4 * kLanes);
  int64_t c = 0;
  for (; c + kWide <= channels; c += kWide)
    dense_pixel<kWide / kLanes, kSpikes>(p, in, t, pixel, c, sums + c);
  for (; c < channels; c += 16) dense_pixel<16 / kLanes, kSpikes>(p, in, t, pixel, c, sums + c);
}

void dense_depthwise(const PackedDepthwise& p, const PackedEpilogue& packed, const UnitIo& io) {
  const Epilogue epilogue(packed, io);
  const int64_t pixels = p.window.out_height * p.window.out_width,
                channels = padded(p.window.out_channels);
  const int64_t distinct = io.in[0].step_stride == 0 ? 1 : io.steps;
  const auto main_sums = io.in[0].bits != nullptr ? dense_channels<true> : dense_channels<false>;
  parallel_for(pixels, 32, io.threads, [&](int64_t first, int64_t last) {
    float* sums = scratch<float>(ScratchSlot::kSums, channels);
    for (int64_t pixel = first; pixel < last; ++pixel) {
      for (int64_t t = 0; t < io.steps; ++t) {
        if (t < distinct) main_sums(p, io.in[0], t, pixel, sums);
        finish(epilogue, sums, channels, t, pixel, 1, 1, 0, channels);
      }
    }
  });
}

// Share of set bits of a spike operand.
inline double firing_rate(const ValueRef& in, int64_t steps) {
  const int64_t distinct = in.step_stride == 0 ? 1 : steps;
  int64_t count = 0;
  for (int64_t t = 0; t < distinct; ++t) count += in.bits_at(t).count();
  return static_cast<double>(count) / static_cast<double>(distinct * in.rows * in.channels);
}

void event_depthwise(const PackedDepthwise& p, const PackedEpilogue& packed, const UnitIo& io) {
  if (firing_rate(io.in[0], io.steps) > kDenseRate) return dense_depthwise(p, packed, io);
  const Epilogue epilogue(packed, io);
  const int64_t blocks = padded(p.window.out_channels) / 16, width = p.window.out_width;
  const int64_t splits = std::clamp<int64_t>(io.threads == 1 ? 1 : 4 * io.threads / blocks, 1,
                                             std::max<int64_t>(1, width / 8));
  parallel_for(blocks * splits, 1, io.threads, [&](int64_t first, int64_t last) {
    for (int64_t item = first; item < last; ++item) {
      const int64_t split = item % splits;
      for (int64_t t = 0; t < io.steps; ++t) {
        depthwise_block(p, epilogue, io, t, item / splits * 16, width * split / splits,
                        width * (split + 1) / splits);
      }
    }
  });
}

// The main sums of one output pixel, every grouping.
inline void grouped_pixel(const PackedGrouped& p, const ValueRef& in, int64_t t, int64_t pixel,
                          float* sums) {
  const Window& w = p.window;
  const int64_t group_in = w.in_channels / p.groups, group_out = w.out_channels / p.groups,
                k = w.kernel;
  const int64_t left = pixel % w.out_width * w.stride - w.padding,
                top = pixel / w.out_width * w.stride - w.padding;
  const float* weights = p.weights.f32().data();
  for (int64_t o = 0; o < w.out_channels; ++o) {
    float acc = 0;
    for (int64_t kx = std::max<int64_t>(0, -left); kx < std::min(k, w.in_width - left); ++kx) {
      for (int64_t ky = std::max<int64_t>(0, -top); ky < std::min(k, w.in_height - top); ++ky) {
        const int64_t row = (top + ky) * w.in_width + left + kx;
        for (int64_t c = 0; c < group_in; ++c) {
          const float weight = weights[((o * group_in + c) * k + ky) * k + kx];
          const int64_t channel = o / group_out * group_in + c;
          if (in.bits == nullptr) {
            acc = std::fma(weight, in.real_row(t, row)[channel], acc);
          } else if (in.bits_at(t).test(row, channel)) {
            acc += weight;
          }
        }
      }
    }
    sums[o] = acc;
  }
}

void grouped(const PackedGrouped& p, const PackedEpilogue& packed, const UnitIo& io) {
  const Epilogue epilogue(packed, io);
  const int64_t channels = padded(p.window.out_channels);
  parallel_for(p.window.out_height * p.window.out_width, 8, io.threads,
               [&](int64_t first, int64_t last) {
                 float* sums = scratch<float>(ScratchSlot::kSums, channels);
                 std::fill(sums, sums + channels, 0.0f);
                 for (int64_t pixel = first; pixel < last; ++pixel) {
                   for (int64_t t = 0; t < io.steps; ++t) {
                     grouped_pixel(p, io.in[0], t, pixel, sums);
                     finish(epilogue, sums, channels, t, pixel, 1, 1, 0, channels);
                   }
                 }
               });
}

}  // namespace HWY_NAMESPACE
}  // namespace spikeloom::cpu
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace spikeloom::cpu {

DepthwiseKernel event_depthwise_for(int64_t target) {
  SPIKELOOM_PICK(target, event_depthwise);
}
DepthwiseKernel dense_depthwise_for(int64_t target) {
  SPIKELOOM_PICK(target, dense_depthwise);
}
GroupedKernel grouped_for(int64_t target) {
  SPIKELOOM_PICK(target, grouped);
}

}  // namespace spikeloom::cpu
#endif
