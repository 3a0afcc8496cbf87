#include "sim/backends/cpu/maps.hpp"

#include "core/parallel.hpp"
#include "sim/backends/cpu/targets.hpp"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "sim/backends/cpu/maps.cpp"
#include <hwy/foreach_target.h>

#include "sim/backends/cpu/rows-inl.hpp"

HWY_BEFORE_NAMESPACE();
namespace spikeloom::cpu {
namespace HWY_NAMESPACE {

// The pixels that one output reads: [y0, y1) x [x0, x1) of a map so wide.
struct Pixels {
  int64_t y0, y1, x0, x1, width;

  Pixels(const PackedPool& p, int64_t row) : width(p.in_width) {
    const int64_t y = row / p.out_width * p.op.stride.y - p.op.padding.y,
                  x = row % p.out_width * p.op.stride.x - p.op.padding.x;
    y0 = std::max<int64_t>(y, 0), y1 = std::min(y + p.op.kernel.y, p.in_height);
    x0 = std::max<int64_t>(x, 0), x1 = std::min(x + p.op.kernel.x, p.in_width);
  }
  template <typename F>
  HWY_INLINE void each(F f) const {
    for (int64_t y = y0; y < y1; ++y) {
      for (int64_t x = x0; x < x1; ++x) f(y * width + x);
    }
  }
};

inline const float* make_row(const PackedPool& p, const Rows& rows, int64_t t, int64_t row,
                             float* to) {
  const ValueRef& in = rows.io.in[0];
  const Pixels window(p, row);
  const V area = hn::Set(kD, static_cast<float>(p.op.kernel.area()));
  each_vector(rows.floats, to, [&](int64_t c) {
    if (p.op.mode == PoolMode::kMax) {
      V most = values_at(in, t, window.y0 * window.width + window.x0, c);
      window.each([&](int64_t pixel) {
        const V value = values_at(in, t, pixel, c);
        most = hn::IfThenElse(hn::Or(hn::Gt(value, most), hn::IsNaN(value)), value, most);
      });
      return most;
    }
    V sum = hn::Zero(kD);
    window.each([&](int64_t pixel) { sum = hn::Add(sum, values_at(in, t, pixel, c)); });
    return p.op.mode == PoolMode::kAverage ? hn::Div(sum, area) : sum;
  });
  return to;
}

void any_spike(const PackedPool& p, const UnitIo& io) {
  const int64_t words = words_for(io.in[0].channels);
  parallel_for(p.out_height * p.out_width, std::max<int64_t>(1, 4096 / words), io.threads,
               [&](int64_t first, int64_t last) {
                 for (int64_t t = 0; t < io.steps; ++t) {
                   const auto in = io.in[0].bits_at(t), out = io.spikes.bits_at(t);
                   for (int64_t row = first; row < last; ++row) {
                     uint64_t* to = out.row(row);
                     std::fill_n(to, words, uint64_t{0});
                     Pixels(p, row).each([&](int64_t pixel) {
                       for (int64_t w = 0; w < words; ++w) to[w] |= in.row(pixel)[w];
                     });
                   }
                 }
               });
}

void pool(const PackedPool& p, const PackedEpilogue& epilogue, const UnitIo& io) {
  if (p.op.mode == PoolMode::kMax && io.in[0].bits != nullptr) {
    any_spike(p, io);
  } else {
    run_rows(p, epilogue, io, p.out_height * p.out_width);
  }
}

inline const float* make_row(const PackedFlatten&, const Rows& rows, int64_t t, int64_t,
                             float* to) {
  const ValueRef& in = rows.io.in[0];
  for (int64_t row = 0; row < in.rows; ++row) {
    const float* from = in.real_row(t, row);
    for (int64_t c = 0; c < in.channels; ++c) to[c * in.rows + row] = from[c];
  }
  clear_tail(rows, to);
  return to;
}

void flatten(const PackedFlatten& p, const PackedEpilogue& epilogue, const UnitIo& io) {
  const ValueRef& in = io.in[0];
  if (in.bits == nullptr) return run_rows(p, epilogue, io, 1);
  parallel_for(io.steps, 1, io.threads, [&](int64_t first, int64_t last) {
    for (int64_t t = first; t < last; ++t) {
      uint64_t* to = io.spikes.bits_at(t).words;
      std::fill_n(to, words_for(io.spikes.channels), uint64_t{0});
      for (int64_t row = 0; row < in.rows; ++row) {
        as_const(in.bits_at(t)).for_each(row, [&](int64_t c) {
          const int64_t at = c * in.rows + row;
          to[at >> 6] |= uint64_t{1} << (at & 63);
        });
      }
    }
  });
}

}  // namespace HWY_NAMESPACE
}  // namespace spikeloom::cpu
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace spikeloom::cpu {

PoolKernel pool_for(int64_t target) {
  SPIKELOOM_PICK(target, pool);
}
FlattenKernel flatten_for(int64_t target) {
  SPIKELOOM_PICK(target, flatten);
}

}  // namespace spikeloom::cpu
#endif
