#pragma once
// Sums of spikes times weights of one byte, on units that multiply matrices: a warp makes 16 rows
// of 8 outputs, 32 inputs at a time. Spikes become bytes of 0 and 1; the sums are integers, exact in
// whatever order.

#include "sim/backends/cuda/kernels/values.hpp"

namespace spikeloom::cuda {

struct DenseBytes {
  static constexpr int max_threads = 256;
  struct Params {
    Value in, out;
    // [tap][word of 32 inputs][8][stride]: four inputs of an output in 32 bits, the lowest first.
    const uint32_t* weight = nullptr;
    int32_t words = 0, stride = 0;  // of a tap; outputs, padded to 8
    const float *scale = nullptr, *bias = nullptr;
    int32_t height = 1, width = 1, out_width = 1;  // a map, or rows above each other
    int32_t kernel_y = 1, kernel_x = 1, stride_y = 1, stride_x = 1;
    int32_t before_y = 0, before_x = 0, dilation_y = 1, dilation_x = 1;
    int32_t steps = 1;
  };

  // Warps that a launch needs.
  SPIKELOOM_DEVICE static int64_t warps(const Params& p) {
    return int64_t{p.steps} * ((p.out.rows + 15) / 16) * (p.stride / 8);
  }

  template <class Ctx>
  SPIKELOOM_DEVICE static void run(Ctx& c, const Params& p) {
    const auto warp = static_cast<int64_t>(c.bid()) * (c.bdim() / 32) + c.warp();
    if (warp >= warps(p)) return;  // whole warps
    const int lane = static_cast<int>(c.lane()), quarter = lane % 4, eighth = lane / 4;
    const int first = static_cast<int>(warp % (p.stride / 8)) * 8, tiles = (p.out.rows + 15) / 16;
    const auto rest = warp / (p.stride / 8), t = rest / tiles;
    const int row = static_cast<int>(rest % tiles) * 16 + eighth;
    typename Ctx::Mma m{};
    for (int kx = 0; kx < p.kernel_x; ++kx) {
      for (int ky = 0; ky < p.kernel_y; ++ky) {
        const int from[2] = {source(p, row, ky, kx), source(p, row + 8, ky, kx)};
        const uint32_t* weight = p.weight + int64_t{kx * p.kernel_y + ky} * p.words * 8 * p.stride +
                                 int64_t{quarter} * p.stride + first + eighth;
        for (int w = 0; w < p.words; ++w, weight += int64_t{8} * p.stride) {
          for (int half = 0; half < 2; ++half) {
            const uint32_t bits =
                from[half] < 0 ? 0 : c.load(p.in.bits + p.in.at(t, from[half]) + w);
            m.a[half] = bytes_of(bits >> (4 * quarter));
            m.a[half + 2] = bytes_of(bits >> (16 + 4 * quarter));
          }
          m.b[0] = c.load(weight);
          m.b[1] = c.load(weight + int64_t{4} * p.stride);
          c.mma(m);
        }
      }
    }
    for (int i = 0; i < 4; ++i)
      store(c, p, t, row + i / 2 * 8, first + 2 * quarter + i % 2, m.c[i]);
  }

 private:
  // Four bits to four bytes.
  SPIKELOOM_DEVICE static uint32_t bytes_of(uint32_t bits) {
    return ((bits & 15) * 0x204081) & 0x01010101;
  }
  // The input row under a tap of an output row; -1: outside.
  SPIKELOOM_DEVICE static int source(const Params& p, int row, int ky, int kx) {
    const int y = row / p.out_width * p.stride_y - p.before_y + ky * p.dilation_y,
              x = row % p.out_width * p.stride_x - p.before_x + kx * p.dilation_x;
    return row < p.out.rows && y >= 0 && y < p.height && x >= 0 && x < p.width ? y * p.width + x
                                                                               : -1;
  }
  template <class Ctx>
  SPIKELOOM_DEVICE static void store(Ctx& c, const Params& p, int64_t t, int row, int output,
                                     int32_t sum) {
    if (row >= p.out.rows || output >= p.out.row) return;
    float y = 0;
    if (output < p.out.channels) {
      y = static_cast<float>(sum) * c.load(p.scale + output);
      if (p.bias != nullptr) y += c.load(p.bias + output);
    }
    c.store(p.out.real + p.out.at(t, row) + output, y);
  }
};

}  // namespace spikeloom::cuda
