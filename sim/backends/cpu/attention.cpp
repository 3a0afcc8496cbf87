#include "sim/backends/cpu/attention.hpp"

#include "core/parallel.hpp"
#include "sim/backends/cpu/targets.hpp"
#include "sim/backends/cpu/token_bits.hpp"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "sim/backends/cpu/attention.cpp"
#include <hwy/foreach_target.h>

#include "sim/backends/cpu/simd-inl.hpp"

HWY_BEFORE_NAMESPACE();
namespace spikeloom::cpu {
namespace HWY_NAMESPACE {

inline void transpose_bits(uint64_t* block) {
  uint64_t mask = 0xffffffff;
  for (int shift = 32; shift > 0; shift /= 2, mask ^= mask << shift) {
    for (int first = 0; first < 64; first += 2 * shift) {
      for (int n = first; n < first + shift; ++n) {
        const uint64_t differ = ((block[n] >> shift) ^ block[n + shift]) & mask;
        block[n + shift] ^= differ;
        block[n] ^= differ << shift;
      }
    }
  }
}

inline void by_token(const uint64_t* bits, int64_t row_words, int64_t tokens, int64_t words,
                     uint64_t* to) {
  for (int64_t n = 0; n < tokens; n += 64) {
    const int64_t rows = std::min<int64_t>(64, tokens - n);
    for (int64_t w = 0; w < words; ++w, to += 64) {
      for (int64_t r = 0; r < rows; ++r) to[r] = bits[(n + r) * row_words + w];
      std::fill(to + rows, to + 64, uint64_t{0});
      transpose_bits(to);
    }
  }
}

// Word w of channel c is number w * channels + c.
inline void count_pairs(const TokenPair& pair, int64_t first, int64_t d, float* counts) {
  const hn::CappedTag<uint64_t, 8> words;
  constexpr int kWords = HWY_MIN(8, HWY_LANES(uint64_t));
  const int64_t stride = padded(d);
  for (int64_t i = 0; i < d; ++i) {
    for (int64_t j = 0; j < stride; j += kWords) {
      auto sum = hn::Zero(words);
      for (int64_t n = 0, at = first; n < pair.tokens; n += 64, at += pair.channels) {
        const auto key = hn::Set(words, pair.keys[at + i]);
        const auto value = hn::LoadU(words, pair.values + at + j);
        sum = hn::Add(sum, hn::PopulationCount(hn::And(key, value)));
      }
      HWY_ALIGN uint64_t lanes[kWords];
      hn::Store(sum, words, lanes);
      for (int l = 0; l < kWords; ++l)
        counts[i * stride + j + l] = j + l < d ? static_cast<float>(lanes[l]) : 0.0f;
    }
  }
}

void ktv(const PackedKtV& p, const PackedEpilogue& packed, const UnitIo& io) {
  const Epilogue epilogue(packed, io);
  const ValueRef &keys = io.in[0], &values = io.in[1];
  const int64_t d = keys.channels / p.heads, floats = padded(d), tokens = keys.rows;
  const bool wide = HWY_TARGET == HWY_AVX3 && has_wide_popcount();
  const ByToken turn = wide ? by_token_wide : by_token;
  const CountPairs count = wide ? count_pairs_wide : count_pairs;
  const int64_t grain = (p.heads + io.threads - 1) / io.threads;
  parallel_for(p.heads, grain, io.threads, [&](int64_t first, int64_t last) {
    const int64_t word = first * d / 64, words = words_for(last * d) - word;
    const int64_t room = token_words(tokens, words);
    auto* k_bits = reinterpret_cast<uint64_t*>(scratch<uint32_t>(ScratchSlot::kInputs, 4 * room));
    uint64_t* v_bits = k_bits + room;
    float* sums = scratch<float>(ScratchSlot::kTile, d * floats);
    const TokenPair pair{k_bits, v_bits, tokens, 64 * words};
    for (int64_t t = 0; t < io.steps; ++t) {
      const MutableSpikeView k = keys.bits_at(t), v = values.bits_at(t);
      turn(k.row(0) + word, k.row_words(), tokens, words, k_bits);
      turn(v.row(0) + word, v.row_words(), tokens, words, v_bits);
      for (int64_t h = first; h < last; ++h) {
        const bool direct = stores_sums(epilogue);
        float* to = direct ? row_of(epilogue, t, h * d).real : sums;
        count(pair, h * d - 64 * word, d, to);
        if (!direct) finish(epilogue, sums, floats, t, h * d, 1, d, 0, floats);
      }
    }
  });
}

// One head of one query row.
// Causal attention: key m of step t is that of step t - keys + 1 + m.
inline void softmax_row(const PackedSoftmax& p, const UnitIo& io, int64_t t, int64_t n, int64_t h,
                        double* weights, float* to) {
  const bool causal = p.context > 0;
  const int64_t keys = causal ? std::min(p.context, io.steps_before + t + 1) : io.in[0].rows;
  const int64_t d = io.in[0].channels / p.heads;
  const auto row = [&](int input, int64_t m) {
    return (causal ? io.in[input].real_at(t - keys + 1 + m) : io.in[input].real_row(t, m)) + h * d;
  };
  const float* query = io.in[0].real_row(t, n) + h * d;
  double largest = -HUGE_VAL, total = 0;
  for (int64_t m = 0; m < keys; ++m) {
    const float* key = row(1, m);
    double dot = 0;
    for (int64_t j = 0; j < d; ++j)
      dot += static_cast<double>(query[j]) * static_cast<double>(key[j]);
    weights[m] = dot * static_cast<double>(p.scale);
    largest = std::max(largest, weights[m]);
  }
  for (int64_t m = 0; m < keys; ++m) total += weights[m] = std::exp(weights[m] - largest);
  for (int64_t j = 0; j < d; ++j) {
    double sum = 0;
    for (int64_t m = 0; m < keys; ++m) sum += weights[m] * static_cast<double>(row(2, m)[j]);
    to[h * d + j] = static_cast<float>(sum / total);
  }
}

// Threads share rows or, causal, steps.
void softmax(const PackedSoftmax& p, const PackedEpilogue& packed, const UnitIo& io) {
  const Epilogue epilogue(packed, io);
  const int64_t row_floats = padded(packed.channels);
  const bool causal = p.context > 0;
  const int64_t rows = io.in[0].rows;
  const int threads = causal && packed.fires ? 1 : io.threads;
  parallel_for(causal ? io.steps : rows, 4, threads, [&](int64_t first, int64_t last) {
    const int64_t keys = causal ? p.context : rows;
    auto* weights = reinterpret_cast<double*>(scratch<float>(ScratchSlot::kInputs, 2 * keys));
    float* sums = scratch<float>(ScratchSlot::kTile, row_floats);
    std::fill(sums, sums + row_floats, 0.0f);
    const auto one = [&](int64_t t, int64_t n) {
      for (int64_t h = 0; h < p.heads; ++h) softmax_row(p, io, t, n, h, weights, sums);
      finish(epilogue, sums, 0, t, n, 1, 1, 0, row_floats);
    };
    for (int64_t i = first; i < last; ++i) {
      if (causal) {
        one(i, 0);
      } else {
        for (int64_t t = 0; t < io.steps; ++t) one(t, i);
      }
    }
  });
}

}  // namespace HWY_NAMESPACE
}  // namespace spikeloom::cpu
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace spikeloom::cpu {

KtVKernel ktv_for(int64_t target) {
  SPIKELOOM_PICK(target, ktv);
}
SoftmaxKernel softmax_for(int64_t target) {
  SPIKELOOM_PICK(target, softmax);
}

}  // namespace spikeloom::cpu
#endif
