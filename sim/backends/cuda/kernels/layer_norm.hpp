#pragma once
// A warp has a row: lane l adds channels l, l+32, ... ascending, then lanes fold by 16, 8, 4, 2, 1.

#include "sim/backends/cuda/kernels/values.hpp"

namespace spikeloom::cuda {

struct LayerNormRows {
  static constexpr int max_threads = 256;
  struct Params {
    Value in, out;
    const float *weight = nullptr, *bias = nullptr;
    float eps = 0;
    int32_t steps = 1;
  };

  template <class Ctx>
  SPIKELOOM_DEVICE static void run(Ctx& c, const Params& p) {
    const auto warp = static_cast<int64_t>(c.bid()) * (c.bdim() / 32) + c.warp();
    const auto row = static_cast<int>(warp % p.in.rows);
    const auto t = warp / p.in.rows;
    if (t >= p.steps) return;  // whole warps
    const auto channels = static_cast<float>(p.in.channels);
    const int lane = static_cast<int>(c.lane());
    float sum = 0;
    for (int i = lane; i < p.in.channels; i += 32) sum = sum + element(c, p.in, t, row, i);
    const float mean = folded(c, sum) / channels;
    float squares = 0;
    for (int i = lane; i < p.in.channels; i += 32) {
      const float d = element(c, p.in, t, row, i) - mean;
      squares = std::fma(d, d, squares);
    }
    const float variance = folded(c, squares) / channels;
    const float inverse = 1.0f / std::sqrt(variance + p.eps);
    float* const out = p.out.real + p.out.at(t, row);
    for (int i = lane; i < p.out.row; i += 32) {
      const float y = i < p.in.channels
                          ? (element(c, p.in, t, row, i) - mean) * inverse * c.load(p.weight + i) +
                                c.load(p.bias + i)
                          : 0.0f;
      c.store(out + i, y);
    }
  }

 private:
  // Lane 0's sum, for all.
  template <class Ctx>
  SPIKELOOM_DEVICE static float folded(Ctx& c, float sum) {
    for (int half = 16; half > 0; half /= 2) sum += c.shfl_down(kAll, sum, half);
    return c.shfl(kAll, sum, 0);
  }
};

}  // namespace spikeloom::cuda
