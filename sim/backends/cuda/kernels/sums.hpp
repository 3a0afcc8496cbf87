#pragma once
// Layers: each output is one sum in the written order, by one thread. Lanes of a warp are outputs
// side by side, so that they read the same bits, walk through the same events, and the weights of an
// event lie side by side.

#include "sim/backends/cuda/kernels/pass.hpp"

namespace spikeloom::cuda {

// Weights [tap][input][output], outputs padded; W is float, or integers that stand for numbers.
template <class W>
struct Matrix {
  const W* weight = nullptr;
  int32_t inputs = 0, outputs = 0, stride = 0;  // of a group; of all; from an input to the next
  int32_t group_outputs = 0;                    // outputs of a group
  bool adds_integers = false;  // sums of spikes are exact integers, whatever their order
  const float *scale = nullptr, *bias = nullptr;
  const float* limits = nullptr;  // of accumulators: one for each output, or one for all
  bool one_limit = false;
};

// What one output has of its sum.
struct Partial {
  float real = 0;
  int64_t integer = 0;
  float limit = 0;  // 0: none
};

template <class W, class Ctx>
SPIKELOOM_DEVICE Partial start_sum(Ctx& c, const Matrix<W>& m, int output) {
  Partial sum;
  if (m.limits != nullptr) sum.limit = c.load(m.limits + (m.one_limit ? 0 : output));
  return sum;
}

SPIKELOOM_DEVICE inline float held(float sum, float limit) {
  return limit == 0.0f ? sum : sum < -limit ? -limit : limit < sum ? limit : sum;
}

template <class W>
SPIKELOOM_DEVICE void add(const Matrix<W>& m, Partial& sum, W weight, float x) {
  if (m.adds_integers) {
    sum.integer += static_cast<int64_t>(weight);
  } else {
    sum.real = held(std::fma(static_cast<float>(weight), x, sum.real), sum.limit);
  }
}

// Adds one tap: a row of the input at a step, for one output.
template <class W, class Ctx>
SPIKELOOM_DEVICE void add_tap(Ctx& c, const Matrix<W>& m, Partial& sum, const Value& in, int64_t t,
                              int row, int tap, int output) {
  const int first = output / m.group_outputs * m.inputs;
  const W* weight = m.weight + static_cast<int64_t>(tap) * m.inputs * m.stride + output;
  const int64_t at = in.at(t, row);
  if (in.bits != nullptr && m.group_outputs == m.outputs) {  // events, lowest first
    const int words = (m.inputs + 31) / 32;
    for (int w = 0; w < words; ++w, weight += int64_t{32} * m.stride) {
      for (uint32_t bits = c.load(in.bits + at + w); bits != 0; bits &= bits - 1)
        add(m, sum, c.load(weight + static_cast<int64_t>(lowest_bit(bits)) * m.stride), 1.0f);
    }
    return;
  }
  for (int i = 0; i < m.inputs; ++i, weight += m.stride) {
    const float x = element(c, in, t, row, first + i);
    if (x != 0.0f) add(m, sum, c.load(weight), x);
  }
}

template <class W, class Ctx>
SPIKELOOM_DEVICE float end_sum(Ctx& c, const Matrix<W>& m, const Partial& sum, int output) {
  float y = m.adds_integers ? static_cast<float>(sum.integer) : sum.real;
  if (m.scale != nullptr) y *= c.load(m.scale + output);
  return m.bias == nullptr ? y : y + c.load(m.bias + output);
}

template <class W>
struct LinearMain {
  struct Params {
    Value in;
    Matrix<W> m;
  };
  template <class Ctx>
  SPIKELOOM_DEVICE static float value(Ctx& c, const Params& p, const Place& at) {
    Partial sum = start_sum(c, p.m, at.channel);
    add_tap(c, p.m, sum, p.in, at.t, at.row, 0, at.channel);
    return end_sum(c, p.m, sum, at.channel);
  }
};

// kx, then ky, then channels ascending.
template <class W>
struct ConvMain {
  struct Params {
    Value in;
    Matrix<W> m;
    int32_t height = 0, width = 0, out_width = 0;
    int32_t kernel_y = 1, kernel_x = 1, stride_y = 1, stride_x = 1;
    int32_t before_y = 0, before_x = 0, dilation_y = 1, dilation_x = 1;
  };
  template <class Ctx>
  SPIKELOOM_DEVICE static float value(Ctx& c, const Params& p, const Place& at) {
    const int top = at.row / p.out_width * p.stride_y - p.before_y,
              left = at.row % p.out_width * p.stride_x - p.before_x;
    Partial sum = start_sum(c, p.m, at.channel);
    for (int kx = 0; kx < p.kernel_x; ++kx) {
      for (int ky = 0; ky < p.kernel_y; ++ky) {
        const int y = top + ky * p.dilation_y, x = left + kx * p.dilation_x;
        if (y < 0 || y >= p.height || x < 0 || x >= p.width) continue;
        add_tap(c, p.m, sum, p.in, at.t, y * p.width + x, kx * p.kernel_y + ky, at.channel);
      }
    }
    return end_sum(c, p.m, sum, at.channel);
  }
};

// Taps in order of time.
template <class W>
struct Conv1dMain {
  struct Params {
    Value in;
    Matrix<W> m;
    int32_t left = 0, kernel = 1;
  };
  template <class Ctx>
  SPIKELOOM_DEVICE static float value(Ctx& c, const Params& p, const Place& at) {
    Partial sum = start_sum(c, p.m, at.channel);
    for (int k = 0; k < p.kernel; ++k)
      add_tap(c, p.m, sum, p.in, at.t - p.left + k, 0, k, at.channel);
    return end_sum(c, p.m, sum, at.channel);
  }
};

}  // namespace spikeloom::cuda
