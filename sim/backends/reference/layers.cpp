// Layers and normalisations: what reads weights.

#include <array>
#include <cmath>

#include "sim/backends/reference/kernels.hpp"

namespace spikeloom::reference {

void run_op(const Conv2d& op, const Prepared& p, const UnitIo& io, int64_t t) {
  const int64_t height = (*io.in[0].shape)[0], width = (*io.in[0].shape)[1];
  const int64_t out_height = (*io.real.shape)[0], out_width = (*io.real.shape)[1];
  const int64_t group_in = op.in_channels / op.groups, group_out = op.out_channels / op.groups;
  const WindowAxis along_y = op.along_y(), along_x = op.along_x();
  for (int64_t oy = 0; oy < out_height; ++oy) {
    for (int64_t ox = 0; ox < out_width; ++ox) {
      float* out = io.real.real_row(t, oy * out_width + ox);
      for (int64_t o = 0; o < op.out_channels; ++o) {
        const int64_t first = o / group_out * group_in;
        Sum sum(p, o);
        for (int64_t kx = 0; kx < op.kernel.x; ++kx) {
          for (int64_t ky = 0; ky < op.kernel.y; ++ky) {
            const int64_t y = oy * along_y.stride + ky * along_y.dilation - along_y.before,
                          x = ox * along_x.stride + kx * along_x.dilation - along_x.before;
            if (y < 0 || y >= height || x < 0 || x >= width) continue;
            for (int64_t c = 0; c < group_in; ++c) {
              const int64_t at = ((o * group_in + c) * op.kernel.y + ky) * op.kernel.x + kx;
              sum.add(p.weight[static_cast<size_t>(at)],
                      element(io.in[0], t, y * width + x, first + c));
            }
          }
        }
        out[o] = sum.value();
      }
    }
  }
}

void run_op(const Linear& op, const Prepared& p, const UnitIo& io, int64_t t) {
  for (int64_t row = 0; row < io.real.rows; ++row) {
    for (int64_t o = 0; o < op.out_features; ++o) {
      Sum sum(p, o);
      for (int64_t i = 0; i < op.in_features; ++i) {
        sum.add(p.weight[static_cast<size_t>(o * op.in_features + i)],
                element(io.in[0], t, row, i));
      }
      io.real.real_row(t, row)[o] = sum.value();
    }
  }
}

void run_op(const Conv1d& op, const Prepared& p, const UnitIo& io, int64_t t) {
  for (int64_t o = 0; o < op.out_channels; ++o) {
    Sum sum(p, o);
    for (int64_t k = 0; k < op.kernel(); ++k) {
      for (int64_t c = 0; c < op.in_channels; ++c) {
        sum.add(p.weight[static_cast<size_t>((o * op.in_channels + c) * op.kernel() + k)],
                element(io.in[0], t - op.left + k, 0, c));
      }
    }
    io.real.real_row(t, 0)[o] = sum.value();
  }
}

void run_op(const BatchNorm& op, const Prepared& p, const UnitIo& io, int64_t t) {
  const bool is_map = io.in[0].shape->size() == 3;
  const int64_t width = is_map ? (*io.in[0].shape)[1] : 1;
  const int64_t height = io.in[0].rows / width, out_width = width + 2 * op.pad;
  for (int64_t row = 0; row < io.real.rows; ++row) {
    const int64_t y = row / out_width - op.pad, x = row % out_width - op.pad;
    const bool inside = y >= 0 && y < height && x >= 0 && x < width;
    for (int64_t c = 0; c < op.channels; ++c) {
      const float s = p.scale[static_cast<size_t>(c)], shift = p.shift[static_cast<size_t>(c)];
      io.real.real_row(t, row)[c] =
          inside ? io.in[0].real_row(t, y * width + x)[c] * s + shift : shift;
    }
  }
}

namespace {

// Sum of f(sum so far, channel) over the channels, on 32 lanes.
template <typename F>
float sum_lanes(int64_t channels, F f) {
  std::array<float, 32> lane{};
  for (int64_t c = 0; c < channels; ++c) {
    float& sum = lane[static_cast<size_t>(c % 32)];
    sum = f(sum, c);
  }
  for (size_t fold = 16; fold > 0; fold /= 2) {
    for (size_t l = 0; l < fold; ++l) lane[l] += lane[l + fold];
  }
  return lane[0];
}

}  // namespace

void run_op(const LayerNorm& op, const Prepared& p, const UnitIo& io, int64_t t) {
  const auto channels = static_cast<float>(op.channels);
  for (int64_t row = 0; row < io.real.rows; ++row) {
    const auto x = [&](int64_t c) { return element(io.in[0], t, row, c); };
    const float mean =
        sum_lanes(op.channels, [&](float sum, int64_t c) { return sum + x(c); }) / channels;
    const float variance = sum_lanes(op.channels,
                                     [&](float sum, int64_t c) {
                                       const float d = x(c) - mean;
                                       return std::fma(d, d, sum);
                                     }) /
                           channels;
    const float inverse = 1.0f / std::sqrt(variance + op.eps);
    for (int64_t c = 0; c < op.channels; ++c) {
      io.real.real_row(t, row)[c] = (x(c) - mean) * inverse * p.scale[static_cast<size_t>(c)] +
                                    p.shift[static_cast<size_t>(c)];
    }
  }
}

void run_op(const Embedding& op, const Prepared& p, const UnitIo& io, int64_t t) {
  const auto token = static_cast<int64_t>(io.in[0].real_row(t, 0)[0]);
  elementwise(io, t, [&](int64_t, int64_t c) {
    return p.weight[static_cast<size_t>(token * op.channels + c)];
  });
}

void run_op(const Positions& op, const Prepared& p, const UnitIo& io, int64_t t) {
  elementwise(io, t, [&](int64_t r, int64_t c) {
    const int64_t position = op.along_steps ? io.steps_before + t : r;
    return io.in[0].real_row(t, r)[c] + p.weight[static_cast<size_t>(position * op.channels + c)];
  });
}

void run_op(const Prepend&, const Prepared& p, const UnitIo& io, int64_t t) {
  elementwise(io, t, [&](int64_t r, int64_t c) {
    return r == 0 ? p.weight[static_cast<size_t>(c)] : io.in[0].real_row(t, r - 1)[c];
  });
}

}  // namespace spikeloom::reference
