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

// Channels [first, first + count) of a row as the low bits of a word; count <= 64.
HWY_INLINE uint64_t channel_bits(const uint64_t* row, int64_t first, int64_t count) {
  const int64_t shift = first & 63;
  uint64_t bits = row[first >> 6] >> shift;
  if (shift + count > 64) bits |= row[(first >> 6) + 1] << (64 - shift);
  return bits & (~uint64_t{0} >> (64 - count));
}

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

void count_pairs(const uint64_t* keys, const uint64_t* values, int64_t words, int64_t channels,
                 int64_t rows, int64_t stride, float* counts) {
  const hn::CappedTag<uint64_t, 8> d;
  constexpr int kWords = HWY_MIN(8, HWY_LANES(uint64_t));
  for (int64_t i = 0; i < rows; ++i) {
    for (int64_t j = 0; j < stride; j += kWords) {
      auto sum = hn::Zero(d);
      for (int64_t w = 0; w < words; ++w) {
        const auto key = hn::Set(d, keys[w * channels + i]);
        sum = hn::Add(sum,
                      hn::PopulationCount(hn::And(key, hn::LoadU(d, values + w * channels + j))));
      }
      HWY_ALIGN uint64_t lanes[kWords];
      hn::Store(sum, d, lanes);
      for (int l = 0; l < kWords; ++l) counts[i * stride + j + l] = static_cast<float>(lanes[l]);
    }
  }
}

// The bits of a head's d channels from `first` on, by token: word w of channel c to
// to[w * block_channels(d) + c].
constexpr int64_t block_channels(int64_t d) {
  return (d + 63) / 64 * 64;
}
inline void token_major(const MutableSpikeView& bits, int64_t first, int64_t d,
                        TransposeBits transpose, uint64_t* to) {
  for (int64_t n = 0; n < bits.rows; n += 64) {
    const int64_t rows = std::min<int64_t>(64, bits.rows - n);
    for (int64_t c = 0; c < d; c += 64, to += 64) {
      const int64_t count = std::min<int64_t>(64, d - c);
      for (int64_t r = 0; r < rows; ++r) to[r] = channel_bits(bits.row(n + r), first + c, count);
      std::fill(to + rows, to + 64, uint64_t{0});
      transpose(to);
    }
  }
}

void ktv(const PackedKtV& p, const PackedEpilogue& packed, const UnitIo& io) {
  const Epilogue epilogue(packed, io);
  const ValueRef &keys = io.in[0], &values = io.in[1];
  const int64_t d = keys.channels / p.heads, floats = padded(d), channels = block_channels(d),
                words = (keys.rows + 63) / 64;
  const bool wide = HWY_TARGET == HWY_AVX3 && has_wide_popcount();
  const TransposeBits transpose = wide ? transpose_bits_wide : transpose_bits;
  const CountPairs count = wide ? count_pairs_wide : count_pairs;
  parallel_for(p.heads, 1, io.threads, [&](int64_t first, int64_t last) {
    float* counts = scratch<float>(ScratchSlot::kTile, (d + 3) * floats);
    auto* k_bits =
        reinterpret_cast<uint64_t*>(scratch<uint32_t>(ScratchSlot::kInputs, 4 * words * channels));
    uint64_t* v_bits = k_bits + words * channels;
    for (int64_t h = first; h < last; ++h) {
      for (int64_t t = 0; t < io.steps; ++t) {
        token_major(keys.bits_at(t), h * d, d, transpose, k_bits);
        token_major(values.bits_at(t), h * d, d, transpose, v_bits);
        count(k_bits, v_bits, words, channels, d, floats, counts);
        finish(epilogue, counts, floats, t, h * d, 1, d, 0, floats);
      }
    }
  });
}

using Counts16 = hn::CappedTag<uint16_t, 32>;
constexpr Counts16 kCounts16;
constexpr int kLanes16 = static_cast<int>(HWY_MIN(32, HWY_LANES(uint16_t)));
constexpr int kColumnVectors = HWY_MIN(4, 64 / kLanes16);  // summed at a time
constexpr int64_t kBlockRows = 256;                        // queries that share tables

// Sums of every subset of four neighbouring rows of a head's counts: [groups][16 subsets][64
// columns], for heads of up to 64 channels. Groups come in fours, missing rows count as zeros.
constexpr int64_t kGroupRows = 4, kSubsets = 16, kColumns = 64, kGroupCounts = kSubsets * kColumns;
constexpr int64_t table_groups(int64_t d) {
  return (d + 15) / 16 * 4;
}

// Whether any sum of rows of a head's counts fits 16 bits.
inline bool sums_fit(const float* counts, int64_t d, int64_t floats) {
  for (int64_t j = 0; j < floats; j += kLanes) {
    V sum = hn::Zero(kD), least = hn::Zero(kD);
    for (int64_t i = 0; i < d; ++i) {
      const V row = hn::LoadU(kD, counts + i * floats + j);
      sum = hn::Add(sum, row);
      least = hn::Min(least, row);
    }
    const V most = hn::Set(kD, static_cast<float>(std::numeric_limits<uint16_t>::max()));
    if (!hn::AllTrue(kD, hn::And(hn::Le(sum, most), hn::Ge(least, hn::Zero(kD))))) return false;
  }
  return true;
}

inline void sum_subsets(const float* counts, int64_t d, uint16_t* table) {
  const hn::RebindToSigned<Floats> integers;
  const hn::Rebind<uint16_t, Floats> narrow;
  const int64_t floats = padded(d);
  for (int64_t g = 0; g < table_groups(d); ++g, table += kGroupCounts) {
    std::fill(table, table + kColumns, uint16_t{0});
    for (int64_t i = 0; i < kGroupRows; ++i) {
      const int64_t row = g * kGroupRows + i, columns = row < d ? floats : 0;
      uint16_t* to = table + (kColumns << i);
      for (int64_t j = 0; j < columns; j += kLanes) {
        const auto number = hn::ConvertTo(integers, hn::LoadU(kD, counts + row * floats + j));
        hn::StoreU(hn::DemoteTo(narrow, number), narrow, to + j);
      }
      std::fill(to + columns, to + kColumns, uint16_t{0});
    }
    for (const int64_t s : {3, 5, 6, 7, 9, 10, 11, 12, 13, 14, 15}) {
      const uint16_t *a = table + (s & (s - 1)) * kColumns, *b = table + (s & -s) * kColumns;
      for (int64_t j = 0; j < kColumns; j += kLanes16) {
        hn::StoreU(hn::Add(hn::LoadU(kCounts16, a + j), hn::LoadU(kCounts16, b + j)), kCounts16,
                   table + s * kColumns + j);
      }
    }
  }
}

// 16-bit counts * scale as floats.
HWY_INLINE void store_scaled(hn::Vec<Counts16> sums, V scale, float* to) {
  HWY_ALIGN uint16_t lanes[kLanes16];
  hn::Store(sums, kCounts16, lanes);
  const hn::RebindToSigned<Floats> integers;
  const hn::Rebind<uint16_t, Floats> narrow;
#pragma GCC unroll 4
  for (int l = 0; l < kLanes16; l += kLanes) {
    const auto number = hn::PromoteTo(integers, hn::LoadU(narrow, lanes + l));
    hn::StoreU(hn::Mul(hn::ConvertTo(kD, number), scale), kD, to + l);
  }
}

// One head of `rows` query rows from its table to sums[row][stride], kColumns columns each.
inline void apply_table(const uint64_t* queries, int64_t row_words, int64_t rows, int64_t first,
                        int64_t d, const uint16_t* table, V scale, int64_t stride, float* sums) {
  const int64_t shift = first & 63, groups = table_groups(d);
  const bool straddles = shift + d > 64;
  const uint64_t keep = ~uint64_t{0} >> (64 - d);
  queries += first >> 6;
  for (int64_t r = 0; r < rows; ++r, queries += row_words, sums += stride) {
    uint64_t all = queries[0] >> shift;
    if (straddles) all |= queries[1] << (64 - shift);
    all &= keep;
    for (int64_t part = 0; part < kColumns; part += kColumnVectors * kLanes16) {
      hn::Vec<Counts16> acc[kColumnVectors];
#pragma GCC unroll 4
      for (auto& sum : acc) sum = hn::Zero(kCounts16);
      uint64_t bits = all;
      const uint16_t* from = table + part;
      for (const uint16_t* end = from + groups * kGroupCounts; from != end; bits >>= 16) {
#pragma GCC unroll 4
        for (int g = 0; g < 4; ++g, from += kGroupCounts) {
          const uint16_t* row = from + (bits >> (g * kGroupRows) & (kSubsets - 1)) * kColumns;
#pragma GCC unroll 4
          for (int v = 0; v < kColumnVectors; ++v)
            acc[v] = hn::Add(acc[v], hn::LoadU(kCounts16, row + v * kLanes16));
        }
      }
#pragma GCC unroll 4
      for (int v = 0; v < kColumnVectors; ++v)
        store_scaled(acc[v], scale, sums + part + v * kLanes16);
    }
  }
}

// The same from rows of any size, one by one; padded(d) columns are written.
HWY_INLINE void apply_rows(const uint64_t* queries, int64_t first, int64_t d, const float* counts,
                           int64_t floats, V scale, float* to) {
  for (int64_t j = 0; j < floats; j += kLanes) {
    V acc = hn::Zero(kD);
    for (int64_t c = 0; c < d; c += 64) {
      uint64_t bits = channel_bits(queries, first + c, std::min<int64_t>(64, d - c));
      for (; bits != 0; bits &= bits - 1) {
        acc = hn::Add(acc, hn::LoadU(kD, counts + (c + std::countr_zero(bits)) * floats + j));
      }
    }
    hn::StoreU(hn::Mul(acc, scale), kD, to + j);
  }
}

// A block of query rows at one step, all heads, to sums[row][stride]. What is written behind a head
// is overwritten by the next one.
inline void apply_block(const PackedQApply& p, const UnitIo& io, int64_t t, int64_t n, int64_t rows,
                        int64_t stride, float* sums) {
  const ValueRef& queries = io.in[0];
  const int64_t d = queries.channels / p.heads, floats = padded(d);
  const V scale = hn::Set(kD, p.scale);
  auto* table = reinterpret_cast<uint16_t*>(
      scratch<uint32_t>(ScratchSlot::kInputs, kGroupCounts * kColumns / kGroupRows / 2));
  const MutableSpikeView bits = queries.bits_at(t);
  for (int64_t h = 0; h < p.heads; ++h) {
    const float* counts = io.in[1].real_row(t, h * d);
    float* to = sums + h * d;
    // A table of 16 subsets costs as much as it saves 16 queries.
    if (rows >= kSubsets && d <= kColumns && sums_fit(counts, d, floats)) {
      sum_subsets(counts, d, table);
      apply_table(bits.row(n), bits.row_words(), rows, h * d, d, table, scale, stride, to);
    } else {
      for (int64_t r = 0; r < rows; ++r)
        apply_rows(bits.row(n + r), h * d, d, counts, floats, scale, to + r * stride);
    }
  }
}

void qapply(const PackedQApply& p, const PackedEpilogue& packed, const UnitIo& io) {
  const Epilogue epilogue(packed, io);
  const ValueRef& queries = io.in[0];
  const int64_t floats = padded(queries.channels), stride = floats + kColumns;
  const int64_t block =
      std::clamp<int64_t>((queries.rows + io.threads - 1) / io.threads, 1, kBlockRows);
  parallel_for(queries.rows, block, io.threads, [&](int64_t begin, int64_t end) {
    float* sums = scratch<float>(ScratchSlot::kSums, block * stride);
    for (int64_t first = begin; first < end; first += block) {
      const int64_t rows = std::min(block, end - first);
      for (int64_t t = 0; t < io.steps; ++t) {
        apply_block(p, io, t, first, rows, stride, sums);
        for (int64_t r = 0; r < rows; ++r) {
          float* row = sums + r * stride;
          std::fill(row + queries.channels, row + floats, 0.0f);
        }
        finish(epilogue, sums, stride, t, first, 1, rows, 0, floats);
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
QApplyKernel qapply_for(int64_t target) {
  SPIKELOOM_PICK(target, qapply);
}
SoftmaxKernel softmax_for(int64_t target) {
  SPIKELOOM_PICK(target, softmax);
}

}  // namespace spikeloom::cpu
#endif
