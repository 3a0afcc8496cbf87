// Rows of real values, one after the other, each computed by an overload of make_row() and finished
// by the epilogue.

#if defined(SPIKELOOM_CPU_ROWS_INL) == defined(HWY_TARGET_TOGGLE)
#ifdef SPIKELOOM_CPU_ROWS_INL
#undef SPIKELOOM_CPU_ROWS_INL
#else
#define SPIKELOOM_CPU_ROWS_INL
#endif

#include "core/parallel.hpp"
#include "sim/backends/cpu/simd-inl.hpp"

HWY_BEFORE_NAMESPACE();
namespace spikeloom::cpu {
namespace HWY_NAMESPACE {

// What one call works on.
struct Rows {
  const UnitIo& io;
  int64_t channels, floats;  // of a row

  // Row of a real value.
  const float* in(int i, int64_t t, int64_t row) const {
    return io.in[i].real_at(t) + row * floats;
  }
  // Row of either kind of value as numbers; spikes are unpacked into `to`.
  const float* real_in(int i, int64_t t, int64_t row, float* to) const {
    if (io.in[i].bits == nullptr) return in(i, t, row);
    const uint64_t* bits = io.in[i].bits_at(t).row(row);
    for (int64_t c = 0; c < floats; ++c) to[c] = static_cast<float>((bits[c >> 6] >> (c & 63)) & 1);
    return to;
  }
};

// A vector of channels as numbers.
HWY_INLINE V values_at(const ValueRef& in, int64_t t, int64_t row, int64_t c) {
  if (in.bits == nullptr) return hn::LoadU(kD, in.real_at(t) + row * padded(in.channels) + c);
  const uint32_t bits = load_bits16(in.bits_at(t).row(row), c / 16 * 16) >> (c % 16);
  return hn::IfThenElseZero(mask_of_bits(kD, bits), hn::Set(kD, 1.0f));
}

template <typename F>
HWY_INLINE void each_vector(int64_t floats, float* to, F f) {
  for (int64_t c = 0; c < floats; c += kLanes) hn::StoreU(f(c), kD, to + c);
}

// Zeros behind the last channel.
HWY_INLINE void clear_tail(const Rows& rows, float* to) {
  std::fill(to + rows.channels, to + rows.floats, 0.0f);
}

// Steps of one row follow one another on one thread: make_row() may keep state.
template <typename P>
void run_rows(const P& p, const PackedEpilogue& packed, const UnitIo& io, int64_t count) {
  const Epilogue epilogue(packed, io);
  const Rows rows{io, packed.channels, padded(packed.channels)};
  const int64_t grain = std::max<int64_t>(1, 4096 / rows.floats);
  parallel_for(count, grain, io.threads, [&](int64_t first, int64_t last) {
    float* tile = scratch<float>(ScratchSlot::kTile, rows.floats);
    for (int64_t row = first; row < last; ++row) {
      for (int64_t t = 0; t < io.steps; ++t) {
        finish(epilogue, make_row(p, rows, t, row, tile), 0, t, row, 1, 1, 0, rows.floats);
      }
    }
  });
}

}  // namespace HWY_NAMESPACE
}  // namespace spikeloom::cpu
HWY_AFTER_NAMESPACE();

#endif
