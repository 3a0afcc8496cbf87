#include "core/parallel.hpp"
#include "sim/backends/cpu/attention.hpp"
#include "sim/backends/cpu/targets.hpp"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "sim/backends/cpu/qapply.cpp"
#include <hwy/foreach_target.h>

#include "sim/backends/cpu/simd-inl.hpp"

HWY_BEFORE_NAMESPACE();
namespace spikeloom::cpu {
namespace HWY_NAMESPACE {

// Sums are taken for up to 64 columns at a time, in integers where all of them fit: from a table
// with the sums of every subset of four neighbouring rows of a head's counts, [groups][subsets][64
// columns]. Missing rows count as zeros; groups come in fours. Lines are left free between groups:
// the subsets met most, of few rows, would else lie in the same banks of the first cache.
constexpr int64_t kBlockRows = 256;  // queries that share tables
constexpr int64_t kTableRows = 16;   // queries that a table costs as much as
constexpr int64_t kFewRows = 64;     // whose results wait in the first cache to be finished
constexpr int64_t kColumns = 64, kGroupRows = 4, kSubsets = 16,
                  kGroupCounts = (kSubsets + 3) * kColumns;
constexpr int64_t sixteens(int64_t count) {
  return (count + 15) / 16;
}

template <typename T>
using CountTag = hn::CappedTag<T, 64 / sizeof(T)>;
template <typename T>
constexpr int kCountLanes = static_cast<int>(HWY_MIN(64 / sizeof(T), HWY_LANES(T)));

// A head's part of rows of outputs: its channels, and the columns [first, first + width) it meets,
// multiples of 16. It may share the first and the last 16 with its neighbours.
struct Head {
  int64_t begin, d, first, width;
  const float* counts;  // [d][padded(d)]
  int64_t row_columns() const { return (width + kColumns - 1) / kColumns * kColumns; }
};

// The largest sum of rows of counts; infinite where a count is negative.
inline float largest_sum(const Head& head) {
  const int64_t floats = padded(head.d);
  V most = hn::Zero(kD), least = hn::Zero(kD);
  for (int64_t j = 0; j < floats; j += kLanes) {
    V sum = hn::Zero(kD);
    for (int64_t i = 0; i < head.d; ++i) {
      const V row = hn::LoadU(kD, head.counts + i * floats + j);
      sum = hn::Add(sum, row);
      least = hn::Min(least, row);
    }
    most = hn::Max(most, sum);
  }
  const bool negative = !hn::AllTrue(kD, hn::Ge(least, hn::Zero(kD)));
  return negative ? HUGE_VALF : hn::GetLane(hn::MaxOfLanes(kD, most));
}

// Counts of a head as rows of the columns it meets, zeros in those of its neighbours. What is
// written behind a row is overwritten by the next one: there is room for 16 numbers behind the
// last.
template <typename T>
void place_counts(const Head& head, T* rows) {
  const int64_t floats = padded(head.d), columns = head.row_columns();
  for (int64_t i = 0; i < head.d; ++i, rows += columns) {
    for (int64_t j = 0; j < columns; j += kCountLanes<T>)
      hn::StoreU(hn::Zero(CountTag<T>()), CountTag<T>(), rows + j);
    T* to = rows + head.begin - head.first;
    for (int64_t j = 0; j < floats; j += kLanes) {
      const V counts = hn::LoadU(kD, head.counts + i * floats + j);
      if constexpr (std::is_same_v<T, float>) {
        hn::StoreU(counts, kD, to + j);
      } else {
        const hn::Rebind<T, Floats> narrow;
        const hn::RebindToSigned<Floats> integers;
        const hn::RebindToUnsigned<Floats> bits;
        const auto numbers = hn::BitCast(bits, hn::ConvertTo(integers, counts));
        hn::StoreU(hn::TruncateTo(narrow, numbers), narrow, to + j);
      }
    }
  }
}

// The table of 64 columns of rows of counts.
template <typename T>
void sum_subsets(const T* rows, const Head& head, T* table) {
  constexpr CountTag<T> kTag;
  const int64_t columns = head.row_columns();
  for (int64_t group = 0; group < 16 * sixteens(head.d); group += kGroupRows) {
    for (int64_t j = 0; j < kColumns; j += kCountLanes<T>) {
      hn::Vec<CountTag<T>> sums[kSubsets];
      sums[0] = hn::Zero(kTag);
#pragma GCC unroll 16
      for (int s = 1; s < kSubsets; ++s) {
        const int64_t row = group + std::countr_zero(static_cast<unsigned>(s));
        if ((s & (s - 1)) != 0) {
          sums[s] = hn::Add(sums[s & (s - 1)], sums[s & -s]);
        } else {
          sums[s] = row < head.d ? hn::LoadU(kTag, rows + row * columns + j) : hn::Zero(kTag);
        }
      }
#pragma GCC unroll 16
      for (int s = 0; s < kSubsets; ++s) hn::StoreU(sums[s], kTag, table + s * kColumns + j);
    }
    table += kGroupCounts;
  }
}

// Up to 64 channels [first, first + count) of `rows` rows of spikes, as the low bits of words.
inline void channel_bits(const MutableSpikeView& spikes, int64_t row, int64_t rows, int64_t first,
                         int64_t count, uint64_t* bits) {
  const int64_t shift = first & 63, next = shift + count > 64 ? 1 : 0, words = spikes.row_words();
  const uint64_t keep = ~uint64_t{0} >> (64 - count);
  const uint64_t* from = spikes.row(row) + first / 64;
  for (int64_t r = 0; r < rows; ++r, from += words)
    bits[r] = (from[0] >> shift | from[next] << (63 - shift) << 1) & keep;
}

// Sums of 64 columns for queries of 16 * kSixteens bits, from the table or (T is float) from rows
// of counts, on top of `sums` unless `fresh`: to(query, vectors).
template <typename T, int kSixteens, class To>
HWY_INLINE void add_columns(const uint64_t* bits, int64_t rows, const T* from, int64_t row_columns,
                            bool fresh, const T* sums, To to) {
  constexpr CountTag<T> kTag;
  constexpr int kVectors = static_cast<int>(kColumns) / kCountLanes<T>;
  for (int64_t r = 0; r < rows; ++r) {
    uint64_t left = bits[r];
    hn::Vec<CountTag<T>> acc[kVectors];
#pragma GCC unroll 4
    for (int v = 0; v < kVectors; ++v)
      acc[v] = fresh ? hn::Zero(kTag) : hn::LoadU(kTag, sums + r * kColumns + v * kCountLanes<T>);
    const auto add = [&](const T* row) HWY_ATTR {
#pragma GCC unroll 4
      for (int v = 0; v < kVectors; ++v)
        acc[v] = hn::Add(acc[v], hn::LoadU(kTag, row + v * kCountLanes<T>));
    };
    if constexpr (std::is_same_v<T, float>) {
      for (; left != 0; left &= left - 1) add(from + std::countr_zero(left) * row_columns);
    } else {
#pragma GCC unroll 16
      for (int g = 0; g < 4 * kSixteens; ++g)
        add(from + g * kGroupCounts + (left >> g * kGroupRows & (kSubsets - 1)) * kColumns);
    }
    to(r, acc);
  }
}

// Calls f(std::integral_constant<int, n>()), n from 1 to 4.
template <class F>
HWY_INLINE void with_sixteens(int64_t n, F f) {
  switch (n) {
    case 1: return f(std::integral_constant<int, 1>());
    case 2: return f(std::integral_constant<int, 2>());
    case 3: return f(std::integral_constant<int, 3>());
    default: return f(std::integral_constant<int, 4>());
  }
}

// Calls to(lane, the numbers of `v` from that lane on as floats) for all of them.
template <class D, class To>
HWY_INLINE void as_floats(D, hn::Vec<D> v, int lane, To to) {
  if constexpr (std::is_same_v<hn::TFromD<D>, float>) {
    to(lane, v);
#if HWY_TARGET != HWY_SCALAR
  } else if constexpr (hn::MaxLanes(D()) > static_cast<size_t>(kLanes)) {
    constexpr hn::Half<D> half;
    as_floats(half, hn::LowerHalf(half, v), lane, to);
    as_floats(half, hn::UpperHalf(half, v), lane + static_cast<int>(hn::MaxLanes(half)), to);
#endif
  } else {
    to(lane, hn::ConvertTo(kD, hn::PromoteTo(hn::RebindToSigned<Floats>(), v)));
  }
}

// Where the 16 * kSixteens columns of outputs of some rows go: (sums + before) * factors to `to`,
// the last 16 to `last`.
struct Outputs {
  const float* factors;
  const float* before;
  float *to, *last;
  int64_t before_stride, to_stride, last_stride;
};

template <typename T, int kSixteens>
HWY_INLINE void write_row(const hn::Vec<CountTag<T>>* sums, const Outputs& out, int64_t r) {
  constexpr int kLast = 16 * (kSixteens - 1);
#pragma GCC unroll 4
  for (int v = 0; v < static_cast<int>(kColumns) / kCountLanes<T>; ++v) {
    as_floats(CountTag<T>(), sums[v], v * kCountLanes<T>, [&](int j, V sum) HWY_ATTR {
      if (j >= kLast + 16) return;
      if (j < 16) sum = hn::Add(sum, hn::LoadU(kD, out.before + r * out.before_stride + j));
      hn::StoreU(
          hn::Mul(sum, hn::LoadU(kD, out.factors + j)), kD,
          j < kLast ? out.to + r * out.to_stride + j : out.last + r * out.last_stride + j - kLast);
    });
  }
}

// A block of query rows at one step.
struct Queries {
  const Epilogue& epilogue;
  MutableSpikeView bits;
  int64_t t, first, rows;
  float scale;
  float* open;  // [rows][16]: sums of the 16 columns that the next head has a part of
};

// Outputs of 16 * kSixteens columns from column `first` of those a head meets on.
template <typename T, int kSixteens>
void apply_columns(const Queries& q, const Head& head, int64_t first, const T* table) {
  constexpr int kWidth = 16 * kSixteens;
  const Epilogue& e = q.epilogue;
  const int64_t at = head.first + first, end = head.begin + head.d, columns = head.row_columns();
  const bool starts_open = at < head.begin, direct = stores_sums(e);
  const bool stays_open = end < e.channels && at + kWidth > end;
  const int64_t done = kWidth - (stays_open ? 16 : 0), stride = direct ? e.row_floats : kWidth;
  HWY_ALIGN float scaled[kFewRows * kWidth], factors[kWidth], zeros[16] = {};
  HWY_ALIGN T sums[kFewRows * kColumns];
  uint64_t bits[kFewRows];
  for (int64_t c = 0; c < kWidth; ++c)  // zeros behind the last channel
    factors[c] = c >= done ? 1.0f : at + c < e.channels ? q.scale : 0.0f;
  for (int64_t row = 0; row < q.rows; row += kFewRows) {
    const int64_t rows = std::min(kFewRows, q.rows - row);
    float *open = q.open + row * 16,
          *to = direct ? row_of(e, q.t, q.first + row).real + at : scaled;
    const Outputs out{factors,
                      starts_open ? open : zeros,
                      to,
                      stays_open ? open : to + kWidth - 16,
                      starts_open ? 16 : 0,
                      stride,
                      stays_open ? 16 : stride};
    const T* from = table;
    for (int64_t c = 0; c < head.d; c += 64) {
      const int64_t count = std::min<int64_t>(64, head.d - c);
      channel_bits(q.bits, q.first + row, rows, head.begin + c, count, bits);
      with_sixteens(std::is_same_v<T, float> ? 1 : sixteens(count), [&](auto n) HWY_ATTR {
        constexpr int kBits = decltype(n)::value;
        if (c + 64 < head.d) {
          add_columns<T, kBits>(
              bits, rows, from, columns, c == 0, sums, [&](int64_t r, const auto* acc) HWY_ATTR {
                for (int64_t j = 0; j < kColumns; j += kCountLanes<T>)
                  hn::StoreU(acc[j / kCountLanes<T>], CountTag<T>(), sums + r * kColumns + j);
              });
        } else {
          const Outputs own = out;
          add_columns<T, kBits>(bits, rows, from, columns, c == 0, sums,
                                [&](int64_t r, const auto* acc)
                                    HWY_ATTR { write_row<T, kSixteens>(acc, own, r); });
        }
      });
      from += std::is_same_v<T, float> ? 64 * columns : 16 * kGroupCounts;
    }
    for (int64_t r = 0; !direct && done > 0 && r < rows; ++r)
      e.finish(e, row_of(e, q.t, q.first + row + r), scaled + r * kWidth, 0, 1, at, done);
  }
}

template <typename T>
void apply_head(const Queries& q, const Head& head) {
  const int64_t columns = head.row_columns(), size = sizeof(T);
  auto* counts = reinterpret_cast<T*>(
      scratch<uint32_t>(ScratchSlot::kTile, (head.d * columns + kColumns) * size / 4));
  auto* table = reinterpret_cast<T*>(
      scratch<uint32_t>(ScratchSlot::kInputs, 4 * sixteens(head.d) * kGroupCounts * size / 4));
  place_counts(head, counts);
  for (int64_t first = 0; first < head.width; first += kColumns) {
    const T* from = counts + first;
    if constexpr (!std::is_same_v<T, float>) {
      sum_subsets(from, head, table);
      from = table;
    }
    with_sixteens(std::min(kColumns, head.width - first) / 16, [&](auto n) HWY_ATTR {
      apply_columns<T, decltype(n)::value>(q, head, first, from);
    });
  }
}

void qapply(const PackedQApply& p, const PackedEpilogue& packed, const UnitIo& io) {
  const Epilogue epilogue(packed, io);
  const ValueRef& queries = io.in[0];
  const int64_t d = queries.channels / p.heads;
  const int64_t block =
      std::clamp<int64_t>((queries.rows + io.threads - 1) / io.threads, 1, kBlockRows);
  const auto apply_block = [&](int64_t first, int64_t rows, int64_t t, float* open) {
    const Queries q{epilogue, queries.bits_at(t), t, first, rows, p.scale, open};
    for (int64_t begin = 0; begin < queries.channels; begin += d) {
      const int64_t column = begin / 16 * 16;
      const Head head{begin, d, column, padded(begin + d) - column, io.in[1].real_row(t, begin)};
      const float most = rows < kTableRows ? HUGE_VALF : largest_sum(head);
      if (most <= std::numeric_limits<uint8_t>::max()) {
        apply_head<uint8_t>(q, head);
      } else if (most <= std::numeric_limits<uint16_t>::max()) {
        apply_head<uint16_t>(q, head);
      } else {
        apply_head<float>(q, head);
      }
    }
  };
  parallel_for(queries.rows, block, io.threads, [&](int64_t begin, int64_t end) {
    float* open = scratch<float>(ScratchSlot::kSums, block * 16);
    for (int64_t first = begin; first < end; first += block) {
      for (int64_t t = 0; t < io.steps; ++t)
        apply_block(first, std::min(block, end - first), t, open);
    }
  });
}

}  // namespace HWY_NAMESPACE
}  // namespace spikeloom::cpu
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace spikeloom::cpu {

QApplyKernel qapply_for(int64_t target) {
  SPIKELOOM_PICK(target, qapply);
}

}  // namespace spikeloom::cpu
#endif
