#pragma once
// What is computed in double, because the operator says so.

#include "core/ordered_erf.hpp"
#include "sim/backends/cuda/kernels/pass.hpp"

namespace spikeloom::cuda {

struct GeluMain {
  struct Params {
    Value in;
    const double* table = nullptr;  // erf_detail::kTable
  };
  template <class Ctx>
  SPIKELOOM_DEVICE static float value(Ctx& c, const Params& p, const Place& at) {
    return ordered_gelu(element(c, p.in, at.t, at.row, at.channel), [&](int piece, int n) {
      return c.load(p.table + piece * erf_detail::kTerms + n);
    });
  }
};

// Past steps, the oldest first.
struct LmuEventMain {
  struct Params {
    Value in;
    const double* h = nullptr;  // [taps, order]
    int32_t taps = 0, order = 0;
  };
  template <class Ctx>
  SPIKELOOM_DEVICE static float value(Ctx& c, const Params& p, const Place& at) {
    double sum = 0;
    for (int k = p.taps - 1; k >= 0; --k) {
      const float u = element(c, p.in, at.t - k, 0, 0);
      if (u != 0.0f)
        sum = std::fma(c.load(p.h + static_cast<int64_t>(k) * p.order + at.channel),
                       static_cast<double>(u), sum);
    }
    return static_cast<float>(sum);
  }
};

// The state of the step before, whole, in every output: one block, whose threads share it.
struct LmuRecurrent {
  static constexpr int max_threads = 256;
  struct Params {
    Value in, out;
    const double *a = nullptr, *b = nullptr;  // a: [column, row], so that lanes read side by side
    float* state = nullptr;
    int32_t order = 0, steps = 1;
  };

  template <class Ctx>
  SPIKELOOM_DEVICE static void run(Ctx& c, const Params& p) {
    const auto threads = static_cast<int>(c.bdim()), mine = static_cast<int>(c.tid());
    for (int t = 0; t < p.steps; ++t) {
      const auto u = static_cast<double>(element(c, p.in, t, 0, 0));
      float* const out = p.out.real + p.out.at(t, 0);
      for (int i = mine; i < p.out.row; i += threads) {
        double sum = 0;
        for (int j = 0; i < p.order && j < p.order; ++j)
          sum = std::fma(c.load(p.a + static_cast<int64_t>(j) * p.order + i),
                         static_cast<double>(c.read(p.state + j)), sum);
        c.store(out + i,
                i < p.order ? static_cast<float>(std::fma(c.load(p.b + i), u, sum)) : 0.0f);
      }
      c.sync();
      for (int i = mine; i < p.order; i += threads) c.store(p.state + i, c.read(out + i));
      c.sync();
    }
  }
};

// Rows are tokens of a step or, causal, the steps themselves, the oldest first. A block has one row
// of one head: scores first, then outputs, a thread each. Equal within rounding, not in bits.
struct SoftmaxRows {
  static constexpr int max_threads = 256;
  struct Params {
    Value q, k, v;
    Value out;
    double* scores = nullptr;  // of every block, `most` each
    int32_t heads = 1, d = 1, most = 0;
    float scale = 1;
    int64_t context = 0;  // 0: over the rows of a step
    Steps steps;
  };

  template <class Ctx>
  SPIKELOOM_DEVICE static void run(Ctx& c, const Params& p) {
    const auto threads = static_cast<int>(c.bdim()), mine = static_cast<int>(c.tid());
    const auto block = static_cast<int>(c.bid());
    const int head = block % p.heads, n = block / p.heads;
    double* const scores = p.scores + static_cast<int64_t>(block) * p.most;
    const int64_t first = first_step(c, p.steps);
    for (int t = 0; t < p.steps.count; ++t) {
      const int64_t seen = first + t + 1;
      const bool causal = p.context > 0;
      const auto rows = causal ? static_cast<int>(p.context < seen ? p.context : seen) : p.q.rows;
      for (int m = mine; m < rows; m += threads)
        c.store(scores + m, score(c, p, t, head, n, m, rows));
      c.sync();
      double largest = c.read(scores);
      for (int m = 1; m < rows; ++m) {
        const double s = c.read(scores + m);
        largest = s > largest ? s : largest;
      }
      for (int j = mine; j < p.d; j += threads) {
        double total = 0, sum = 0;
        for (int m = 0; m < rows; ++m) {
          const double share = std::exp(c.read(scores + m) - largest);
          total += share;
          sum += share * static_cast<double>(key(c, p, p.v, t, m, rows, head * p.d + j));
        }
        c.store(p.out.real + p.out.at(t, n) + head * p.d + j, static_cast<float>(sum / total));
      }
      if (head == 0) {
        for (int i = p.out.channels + mine; i < p.out.row; i += threads)
          c.store(p.out.real + p.out.at(t, n) + i, 0.0f);
      }
      c.sync();
    }
  }

 private:
  template <class Ctx>
  SPIKELOOM_DEVICE static float key(Ctx& c, const Params& p, const Value& of, int64_t t, int m,
                                    int rows, int channel) {
    return p.context > 0 ? element(c, of, t - rows + 1 + m, 0, channel)
                         : element(c, of, t, m, channel);
  }
  template <class Ctx>
  SPIKELOOM_DEVICE static double score(Ctx& c, const Params& p, int64_t t, int head, int n, int m,
                                       int rows) {
    double dot = 0;
    for (int j = head * p.d; j < (head + 1) * p.d; ++j)
      dot += static_cast<double>(element(c, p.q, t, n, j)) *
             static_cast<double>(key(c, p, p.k, t, m, rows, j));
    return dot * static_cast<double>(p.scale);
  }
};

}  // namespace spikeloom::cuda
