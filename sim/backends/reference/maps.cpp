// What moves over maps without weights.

#include <algorithm>
#include <cmath>

#include "sim/backends/reference/kernels.hpp"

namespace spikeloom::reference {

namespace {

// f(row of the input) for the window of output (y, x), ky and then kx ascending.
template <typename F>
void each_tap(const Pool2d& op, const Shape& in, int64_t y, int64_t x, F f) {
  for (int64_t ky = 0; ky < op.kernel.y; ++ky) {
    for (int64_t kx = 0; kx < op.kernel.x; ++kx) {
      const int64_t iy = y * op.stride.y + ky - op.padding.y,
                    ix = x * op.stride.x + kx - op.padding.x;
      if (iy >= 0 && iy < in[0] && ix >= 0 && ix < in[1]) f(iy * in[1] + ix);
    }
  }
}

float pooled(const Pool2d& op, const ValueRef& in, int64_t t, int64_t y, int64_t x, int64_t c) {
  float result = 0;
  bool first = true;
  each_tap(op, *in.shape, y, x, [&](int64_t row) {
    const float value = element(in, t, row, c);
    if (op.mode != PoolMode::kMax) {
      result += value;
    } else if (first || value > result || std::isnan(value)) {
      result = value;
    }
    first = false;
  });
  return op.mode == PoolMode::kAverage ? result / static_cast<float>(op.kernel.area()) : result;
}

}  // namespace

void run_op(const Pool2d& op, const Prepared&, const UnitIo& io, int64_t t) {
  const ValueRef& out = io.real.real != nullptr ? io.real : io.spikes;
  for (int64_t row = 0; row < out.rows; ++row) {
    const int64_t y = row / (*out.shape)[1], x = row % (*out.shape)[1];
    if (out.bits != nullptr)
      std::fill_n(out.bits_at(t).row(row), words_for(out.channels), uint64_t{0});
    for (int64_t c = 0; c < out.channels; ++c) {
      const float value = pooled(op, io.in[0], t, y, x, c);
      if (out.bits == nullptr) {
        out.real_row(t, row)[c] = value;
      } else if (value != 0.0f) {
        out.bits_at(t).row(row)[c >> 6] |= uint64_t{1} << (c & 63);
      }
    }
  }
}

void run_op(const Flatten&, const Prepared&, const UnitIo& io, int64_t t) {
  const ValueRef &in = io.in[0], &out = io.real.real != nullptr ? io.real : io.spikes;
  if (out.bits != nullptr) std::fill_n(out.bits_at(t).words, words_for(out.channels), uint64_t{0});
  for (int64_t c = 0; c < in.channels; ++c) {
    for (int64_t row = 0; row < in.rows; ++row) {
      const int64_t at = c * in.rows + row;
      const float value = element(in, t, row, c);
      if (out.bits == nullptr) {
        out.real_row(t, 0)[at] = value;
      } else if (value != 0.0f) {
        out.bits_at(t).words[at >> 6] |= uint64_t{1} << (at & 63);
      }
    }
  }
}

}  // namespace spikeloom::reference
