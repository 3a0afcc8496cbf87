#pragma once
// Correct kernels of the kinds the CUDA backend has: no checker may report anything about them, and
// their results are exact. For g++ (host context) and nvcc (device context).

#include <bit>
#include <cstdint>

#ifdef __CUDACC__
#define ZOO_DEVICE __host__ __device__
#else
#define ZOO_DEVICE
#endif

namespace spikeloom::zoo {

inline constexpr uint32_t kAll = 0xffffffffu;

ZOO_DEVICE inline uint32_t bits_set(uint32_t word) {
#ifdef __CUDA_ARCH__
  return static_cast<uint32_t>(__popc(word));
#else
  return static_cast<uint32_t>(std::popcount(word));
#endif
}

ZOO_DEVICE inline float fused(float a, float b, float c) {
#ifdef __CUDA_ARCH__
  return __fmaf_rn(a, b, c);
#else
  return __builtin_fmaf(a, b, c);
#endif
}

// total += x[0] + ... : a shuffle tree per warp, warps through shared memory, one atomic per block.
struct BlockSum {
  static constexpr const char* name = "BlockSum";
  struct Params {
    const int32_t* x;
    uint32_t n;
    int32_t* total;
  };
  template <class Ctx>
  ZOO_DEVICE static void run(Ctx& c, const Params& p) {
    int32_t* part = c.template shared_array<int32_t, 8, 0>();
    const uint32_t i = c.bid() * c.bdim() + c.tid();
    int32_t v = i < p.n ? c.load(p.x + i) : 0;
    for (int by = 16; by > 0; by /= 2) v += c.shfl_xor(kAll, v, by);
    if (c.lane() == 0) c.put(part + c.warp(), v);
    c.sync();
    if (c.tid() != 0) return;
    int32_t sum = 0;
    for (uint32_t w = 0; w < c.bdim() / 32; ++w) sum += c.get(part + w);
    c.atomic_add(p.total, sum);
  }
};

// Places of the non-zero flags, ascending; one block goes through all tiles.
struct Compaction {
  static constexpr const char* name = "Compaction";
  struct Params {
    const uint8_t* flags;
    uint32_t n;
    uint32_t* list;
    uint32_t* count;
  };
  template <class Ctx>
  ZOO_DEVICE static void run(Ctx& c, const Params& p) {
    uint32_t* totals = c.template shared_array<uint32_t, 32, 0>();
    uint32_t before = 0;
    for (uint32_t tile = 0; tile < p.n; tile += c.bdim()) {
      const uint32_t i = tile + c.tid();
      const bool set = i < p.n && c.load(p.flags + i) != 0;
      const uint32_t votes = c.ballot(kAll, set);
      if (c.lane() == 0) c.put(totals + c.warp(), bits_set(votes));
      c.sync();
      uint32_t at = before + bits_set(votes & ((1u << c.lane()) - 1));
      for (uint32_t w = 0; w < c.bdim() / 32; ++w) {
        const uint32_t here = c.get(totals + w);
        if (w < c.warp()) at += here;
        before += here;
      }
      if (set) c.store(p.list + at, i);
      c.sync();
    }
    if (c.tid() == 0) c.store(p.count, before);
  }
};

// bins[index[i]] += 1.
struct Scatter {
  static constexpr const char* name = "Scatter";
  struct Params {
    const uint32_t* index;
    uint32_t n;
    uint32_t* bins;
  };
  template <class Ctx>
  ZOO_DEVICE static void run(Ctx& c, const Params& p) {
    const uint32_t i = c.bid() * c.bdim() + c.tid();
    if (i < p.n) c.atomic_add(p.bins + c.load(p.index + i), 1u);
  }
};

// v = decay v + x; a spike where v >= 1, then v = 0. A thread is a channel, a ballot a word of spikes.
struct LifPack {
  static constexpr const char* name = "LifPack";
  struct Params {
    const float* x;  // [steps][channels]
    uint32_t steps, channels;
    float decay;
    uint32_t* spikes;  // [steps][words]
  };
  template <class Ctx>
  ZOO_DEVICE static void run(Ctx& c, const Params& p) {
    const uint32_t channel = c.bid() * c.bdim() + c.tid(), words = (p.channels + 31) / 32;
    float v = 0.0f;
    for (uint32_t t = 0; t < p.steps; ++t) {
      if (channel < p.channels) v = fused(p.decay, v, c.load(p.x + t * p.channels + channel));
      const bool fires = channel < p.channels && v >= 1.0f;
      if (fires) v = 0.0f;
      const uint32_t word = c.ballot(kAll, fires);
      if (c.lane() == 0 && channel / 32 < words) c.store(p.spikes + t * words + channel / 32, word);
    }
  }
};

// out[o] = sum of weights[event][o], events in their order, staged through shared memory.
struct RowGather {
  static constexpr const char* name = "RowGather";
  struct Params {
    const float* weights;  // [sources][outputs]
    const uint32_t* events;
    uint32_t count, outputs;
    float* out;
  };
  template <class Ctx>
  ZOO_DEVICE static void run(Ctx& c, const Params& p) {
    uint32_t* tile = c.template shared_array<uint32_t, 64, 0>();
    const uint32_t o = c.bid() * c.bdim() + c.tid();
    float sum = 0.0f;
    for (uint32_t first = 0; first < p.count; first += 64) {
      const uint32_t n = p.count - first < 64 ? p.count - first : 64;
      if (c.tid() < n) c.put(tile + c.tid(), c.load(p.events + first + c.tid()));
      c.sync();
      if (o < p.outputs)
        for (uint32_t e = 0; e < n; ++e) sum += c.load(p.weights + c.get(tile + e) * p.outputs + o);
      c.sync();
    }
    if (o < p.outputs) c.store(p.out + o, sum);
  }
};

// scores[i][j] = bits that q[i] and k[j] share; neighbouring threads write neighbouring bytes.
struct PopcountScores {
  static constexpr const char* name = "PopcountScores";
  struct Params {
    const uint32_t* q;  // [tokens][words]
    const uint32_t* k;
    uint32_t tokens, words;
    uint8_t* scores;
  };
  template <class Ctx>
  ZOO_DEVICE static void run(Ctx& c, const Params& p) {
    const uint32_t at = c.bid() * c.bdim() + c.tid();
    if (at >= p.tokens * p.tokens) return;
    uint32_t sum = 0;
    for (uint32_t w = 0; w < p.words; ++w) {
      const uint32_t q = c.load(p.q + at / p.tokens * p.words + w);
      sum += bits_set(q & c.load(p.k + at % p.tokens * p.words + w));
    }
    c.store(p.scores + at, static_cast<uint8_t>(sum));
  }
};

}  // namespace spikeloom::zoo
