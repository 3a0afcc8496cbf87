#pragma once
// Attention of spikes: integers, exact in any order.

#include "sim/backends/cuda/kernels/sums.hpp"

namespace spikeloom::cuda {

// Counts of tokens where K and V both fire. One warp has a row i of K^T and 32 channels j of V:
// tokens on lanes, their bits turned round by ballots, then one popcount for 32 tokens.
struct KtVCounts {
  static constexpr int max_threads = 256;
  struct Params {
    Value k, v, out;
    int32_t d = 1, heads = 1;  // channels of a head
    float limit = 0;           // of an accumulator; 0: none
    int32_t width = 0;         // threads of a row of the output, whole warps
    int32_t steps = 1;
  };

  template <class Ctx>
  SPIKELOOM_DEVICE static bool bit(Ctx& c, const Value& v, int64_t t, int row, int channel) {
    return element(c, v, t, row, channel) != 0.0f;
  }

  template <class Ctx>
  SPIKELOOM_DEVICE static void run(Ctx& c, const Params& p) {
    const auto thread = static_cast<int64_t>(c.bid()) * c.bdim() + c.tid();
    const auto row = static_cast<int>(thread / p.width), j = static_cast<int>(thread % p.width);
    const int head = row / p.d, lane = static_cast<int>(c.lane()), first = j - lane;
    if (row >= p.heads * p.d) return;  // whole warps
    for (int t = 0; t < p.steps; ++t) {
      int count = 0;
      for (int n = 0; n < p.k.rows; n += 32) {
        const bool token = n + lane < p.k.rows;
        const uint32_t keys = c.ballot(kAll, token && bit(c, p.k, t, n + lane, row));
        if (keys == 0) continue;
        for (int i = 0; i < 32 && first + i < p.d; ++i) {
          const uint32_t values =
              c.ballot(kAll, token && bit(c, p.v, t, n + lane, head * p.d + first + i));
          if (i == lane) count += count_bits(keys & values);
        }
      }
      if (j < p.out.row)
        c.store(p.out.real + p.out.at(t, row) + j,
                j < p.d ? held(static_cast<float>(count), p.limit) : 0.0f);
    }
  }
};

struct QApplyMain {
  struct Params {
    Value q, counts;
    int32_t d = 1;
    float scale = 1, limit = 0;
  };
  template <class Ctx>
  SPIKELOOM_DEVICE static float value(Ctx& c, const Params& p, const Place& at) {
    const int head = at.channel / p.d, j = at.channel % p.d, first = head * p.d;
    float sum = 0.0f;
    const int64_t queries = p.q.at(at.t, at.row);
    for (int word = first / 32; 32 * word < first + p.d; ++word) {
      uint32_t bits = c.load(p.q.bits + queries + word);
      if (32 * word < first) bits &= kAll << (first % 32);
      for (; bits != 0; bits &= bits - 1) {
        const int i = 32 * word + lowest_bit(bits);
        if (i >= first + p.d) break;
        sum = held(sum + element(c, p.counts, at.t, i, j), p.limit);
      }
    }
    return sum * p.scale;
  }
};

}  // namespace spikeloom::cuda
