// From spike bits to lists of event numbers: append_events() writes base + i for every set bit i,
// ascending.

#if defined(SPIKELOOM_CPU_EVENTS_INL) == defined(HWY_TARGET_TOGGLE)
#ifdef SPIKELOOM_CPU_EVENTS_INL
#undef SPIKELOOM_CPU_EVENTS_INL
#else
#define SPIKELOOM_CPU_EVENTS_INL
#endif

#include "sim/backends/cpu/simd-inl.hpp"

HWY_BEFORE_NAMESPACE();
namespace spikeloom::cpu {
namespace HWY_NAMESPACE {

// Elements past the end of a list that append_events may overwrite.
constexpr int64_t kEventSlack = 16;

// hn::Iota fills its lanes one by one through memory.
HWY_ALIGN constexpr uint32_t kNumbers[16] = {0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15};

// Writes base + i for every set bit i of the 16 in `bits`, and whatever up to 16 behind the last.
HWY_INLINE void write_events16(uint32_t bits, uint32_t base, uint32_t* to) {
#if HWY_TARGET == HWY_SCALAR || HWY_TARGET == HWY_EMU128
  for (; bits != 0; bits &= bits - 1) *to++ = base + static_cast<uint32_t>(std::countr_zero(bits));
#else
  const hn::CappedTag<uint32_t, 16> d;
  constexpr uint32_t kStep = HWY_MIN(16, HWY_LANES(uint32_t));
#pragma GCC unroll 4
  for (uint32_t lane = 0; lane < 16; lane += kStep) {
    uint32_t part = (bits >> lane) & ((1u << kStep) - 1);
    asm("" : "+r"(part));  // gcc would shift and count in mask registers, which is slow
    const auto events = hn::Add(hn::Set(d, base), hn::Load(d, kNumbers + lane));
    hn::StoreU(hn::Compress(events, mask_of_bits(d, part)), d, to);
    to += std::popcount(part);
  }
#endif
}

// Appends base + i for every set bit i of the first 16 * kSixteens of 64; returns the new end.
// Where each sixteen begins is counted from the word: nothing waits for the one before.
template <int kSixteens>
HWY_INLINE uint32_t* append_word(uint64_t bits, uint32_t base, uint32_t* to) {
#pragma GCC unroll 4
  for (int part = 0; part < kSixteens; ++part) {
    const uint64_t before = bits & ((uint64_t{1} << (16 * part)) - 1);
    write_events16(static_cast<uint32_t>(bits >> (16 * part)) & 0xffff,
                   base + static_cast<uint32_t>(16 * part), to + std::popcount(before));
  }
  return to + std::popcount(kSixteens == 4 ? bits : bits & 0xffffffff);
}

// The same for all channels of a spike row. Whole words at once: which 16 of them are empty is not
// predictable.
HWY_INLINE uint32_t* append_events(const uint64_t* row, int64_t channels, uint32_t base,
                                   uint32_t* to) {
  const int64_t words = channels / 64;
  for (int64_t w = 0; w < words; ++w)
    to = append_word<4>(row[w], base + static_cast<uint32_t>(64 * w), to);
  base += static_cast<uint32_t>(64 * words);
  const int64_t left = channels - 64 * words;
  if (left > 32) return append_word<4>(row[words], base, to);
  if (left > 0) return append_word<2>(row[words], base, to);
  return to;
}

}  // namespace HWY_NAMESPACE
}  // namespace spikeloom::cpu
HWY_AFTER_NAMESPACE();

#endif
