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

// Appends base + i for every set bit i of the 16 in `bits`; returns the new end.
HWY_INLINE uint32_t* append_events16(uint32_t bits, uint32_t base, uint32_t* to) {
#if HWY_TARGET == HWY_SCALAR || HWY_TARGET == HWY_EMU128
  for (; bits != 0; bits &= bits - 1) *to++ = base + static_cast<uint32_t>(std::countr_zero(bits));
#else
  const hn::CappedTag<uint32_t, 16> d;
  constexpr uint32_t kStep = HWY_MIN(16, HWY_LANES(uint32_t));
  for (uint32_t lane = 0; lane < 16; lane += kStep) {
    const uint64_t part = (bits >> lane) & ((1u << kStep) - 1);
    const auto mask = hn::LoadMaskBits(d, reinterpret_cast<const uint8_t*>(&part));
    hn::StoreU(hn::Compress(hn::Iota(d, base + lane), mask), d, to);
    to += std::popcount(part);
  }
#endif
  return to;
}

// The same for all channels of a spike row. Words are not looked into before they are listed: a
// branch on what fires costs more than what it saves.
HWY_INLINE uint32_t* append_events(const uint64_t* row, int64_t words, uint32_t base,
                                   uint32_t* to) {
  for (int64_t w = 0; w < words; ++w) {
#pragma GCC unroll 4
    for (uint32_t part = 0; part < 64; part += 16) {
      to = append_events16(static_cast<uint32_t>(row[w] >> part & 0xffff),
                           base + static_cast<uint32_t>(64 * w) + part, to);
    }
  }
  return to;
}

}  // namespace HWY_NAMESPACE
}  // namespace spikeloom::cpu
HWY_AFTER_NAMESPACE();

#endif
