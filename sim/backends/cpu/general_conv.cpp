#include "sim/backends/cpu/general_conv.hpp"

#include "core/parallel.hpp"
#include "sim/backends/cpu/targets.hpp"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "sim/backends/cpu/general_conv.cpp"
#include <hwy/foreach_target.h>

#include "sim/backends/cpu/rows-inl.hpp"

HWY_BEFORE_NAMESPACE();
namespace spikeloom::cpu {
namespace HWY_NAMESPACE {

// sums += weights * x, outputs [0, floats).
HWY_INLINE void add_scaled(float* sums, const float* weights, float x, int64_t floats) {
  const V factor = hn::Set(kD, x);
  each_vector(floats, sums, [&](int64_t o) {
    return exact_fma(hn::LoadU(kD, weights + o), factor, hn::LoadU(kD, sums + o));
  });
}

// What one input pixel adds; `weights` [channel of a group][padded outputs].
inline void add_one_group(const ValueRef& in, int64_t t, int64_t row, const float* weights,
                          int64_t outputs, float* sums) {
  if (in.bits != nullptr) {
    as_const(in.bits_at(t)).for_each(row, [&](int64_t c) {
      add_scaled(sums, weights + c * outputs, 1.0f, outputs);
    });
    return;
  }
  const float* x = in.real_row(t, row);
  for (int64_t c = 0; c < in.channels; ++c, weights += outputs)
    add_scaled(sums, weights, x[c], outputs);
}

inline void add_depthwise(const ValueRef& in, int64_t t, int64_t row, const float* weights,
                          int64_t outputs, float* sums) {
  each_vector(outputs, sums, [&](int64_t c) {
    return exact_fma(hn::LoadU(kD, weights + c), values_at(in, t, row, c), hn::LoadU(kD, sums + c));
  });
}

inline void add_groups(const PackedGeneralConv& p, const ValueRef& in, int64_t t, int64_t row,
                       const float* weights, int64_t outputs, float* sums) {
  const int64_t group_in = p.in_channels / p.groups, group_out = p.out_channels / p.groups;
  for (int64_t c = 0; c < p.in_channels; ++c) {
    const bool fired = in.bits != nullptr && in.bits_at(t).test(row, c);
    const float x = in.bits == nullptr ? in.real_row(t, row)[c] : fired ? 1.0f : 0.0f;
    if (x == 0.0f) continue;  // fma(w, 0, acc) = acc
    const int64_t first = c / group_in * group_out;
    const float* from = weights + c % group_in * outputs;
    for (int64_t o = first; o < first + group_out; ++o) sums[o] = std::fma(from[o], x, sums[o]);
  }
}

// The main sums of one output pixel.
inline void sum_pixel(const PackedGeneralConv& p, const ValueRef& in, int64_t t, int64_t pixel,
                      float* sums) {
  const WindowAxis &along_y = p.along_y, &along_x = p.along_x;
  const int64_t outputs = padded(p.out_channels), tap = p.in_channels / p.groups * outputs,
                top = pixel / p.out_width * along_y.stride - along_y.before,
                left = pixel % p.out_width * along_x.stride - along_x.before;
  const bool depthwise = p.groups == p.in_channels && p.groups == p.out_channels;
  std::fill_n(sums, outputs, 0.0f);
  for (int64_t kx = 0; kx < along_x.kernel; ++kx) {
    const int64_t x = left + kx * along_x.dilation;
    if (x < 0 || x >= p.in_width) continue;
    const float* weights = p.weights.f32().data() + kx * along_y.kernel * tap;
    for (int64_t ky = 0; ky < along_y.kernel; ++ky, weights += tap) {
      const int64_t y = top + ky * along_y.dilation, row = y * p.in_width + x;
      if (y < 0 || y >= p.in_height) continue;
      if (p.groups == 1) {
        add_one_group(in, t, row, weights, outputs, sums);
      } else if (depthwise) {
        add_depthwise(in, t, row, weights, outputs, sums);
      } else {
        add_groups(p, in, t, row, weights, outputs, sums);
      }
    }
  }
}

void general_conv(const PackedGeneralConv& p, const PackedEpilogue& packed, const UnitIo& io) {
  const Epilogue epilogue(packed, io);
  const int64_t outputs = padded(p.out_channels);
  parallel_for(p.out_height * p.out_width, 8, io.threads, [&](int64_t first, int64_t last) {
    float* sums = scratch<float>(ScratchSlot::kSums, outputs);
    for (int64_t pixel = first; pixel < last; ++pixel) {
      for (int64_t t = 0; t < io.steps; ++t) {
        sum_pixel(p, io.in[0], t, pixel, sums);
        finish(epilogue, sums, outputs, t, pixel, 1, 1, 0, outputs);
      }
    }
  });
}

}  // namespace HWY_NAMESPACE
}  // namespace spikeloom::cpu
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace spikeloom::cpu {

GeneralConvKernel general_conv_for(int64_t target) {
  SPIKELOOM_PICK(target, general_conv);
}

}  // namespace spikeloom::cpu
#endif
