#include "sim/backends/cpu/attention.hpp"

#include "core/parallel.hpp"
#include "sim/backends/cpu/targets.hpp"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "sim/backends/cpu/attention.cpp"
#include <hwy/foreach_target.h>

#include "sim/backends/cpu/events-inl.hpp"

HWY_BEFORE_NAMESPACE();
namespace spikeloom::cpu {
namespace HWY_NAMESPACE {

// Lists the set channels [begin, end) of a row, counted from `begin`.
inline int64_t list_channels(const uint64_t* row, int64_t begin, int64_t end, uint32_t* to) {
  uint32_t* at = to;
  for (int64_t w = begin / 64; w * 64 < end; ++w) {
    uint64_t bits = row[w];
    if (w * 64 < begin) bits &= ~uint64_t{0} << (begin - w * 64);
    if (w * 64 + 64 > end) bits &= ~uint64_t{0} >> (w * 64 + 64 - end);
    for (; bits != 0; bits &= bits - 1)
      *at++ = static_cast<uint32_t>(w * 64 + std::countr_zero(bits) - begin);
  }
  return at - to;
}

void ktv(const PackedKtV& p, const PackedEpilogue& packed, const UnitIo& io) {
  const Epilogue epilogue(packed, io);
  const ValueRef &keys = io.in[0], &values = io.in[1];
  const int64_t d = keys.channels / p.heads, floats = padded(d);
  parallel_for(p.heads, 1, io.threads, [&](int64_t first, int64_t last) {
    float* counts = scratch<float>(ScratchSlot::kTile, d * floats);
    uint32_t* k_list = scratch<uint32_t>(ScratchSlot::kEvents, 2 * d);
    uint32_t* v_list = k_list + d;
    for (int64_t h = first; h < last; ++h) {
      for (int64_t t = 0; t < io.steps; ++t) {
        std::fill(counts, counts + d * floats, 0.0f);
        for (int64_t n = 0; n < keys.rows; ++n) {
          const int64_t k_count = list_channels(keys.bits_at(t).row(n), h * d, h * d + d, k_list);
          if (k_count == 0) continue;
          const int64_t v_count = list_channels(values.bits_at(t).row(n), h * d, h * d + d, v_list);
          for (int64_t i = 0; i < k_count; ++i) {
            float* row = counts + k_list[i] * floats;
            for (int64_t j = 0; j < v_count; ++j) row[v_list[j]] += 1.0f;
          }
        }
        finish(epilogue, counts, floats, t, h * d, 1, d, 0, floats);
      }
    }
  });
}

// Adds rows of `counts` (floats apart) into `sums`, padded(d) floats.
HWY_INLINE void add_count_rows(const uint32_t* list, int64_t count, const float* counts,
                               int64_t floats, float scale, float* sums) {
  for (int64_t j = 0; j < floats; j += kLanes) {
    V acc = hn::Zero(kD);
    for (int64_t i = 0; i < count; ++i)
      acc = hn::Add(acc, hn::LoadU(kD, counts + list[i] * floats + j));
    hn::StoreU(hn::Mul(acc, hn::Set(kD, scale)), kD, sums + j);
  }
}

void qapply(const PackedQApply& p, const PackedEpilogue& packed, const UnitIo& io) {
  const Epilogue epilogue(packed, io);
  const ValueRef &queries = io.in[0], &counts = io.in[1];
  const int64_t d = queries.channels / p.heads, floats = padded(d),
                row_floats = padded(queries.channels);
  parallel_for(queries.rows, 16, io.threads, [&](int64_t first, int64_t last) {
    float* sums = scratch<float>(ScratchSlot::kTile, row_floats + floats);
    uint32_t* list = scratch<uint32_t>(ScratchSlot::kEvents, d);
    for (int64_t n = first; n < last; ++n) {
      for (int64_t t = 0; t < io.steps; ++t) {
        const uint64_t* row = queries.bits_at(t).row(n);
        for (int64_t h = 0; h < p.heads; ++h) {  // a head's padding is overwritten by the next head
          const int64_t count = list_channels(row, h * d, h * d + d, list);
          add_count_rows(list, count, counts.real_row(t, h * d), floats, p.scale, sums + h * d);
        }
        std::fill(sums + queries.channels, sums + row_floats, 0.0f);
        finish(epilogue, sums, 0, t, n, 1, 1, 0, row_floats);
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
