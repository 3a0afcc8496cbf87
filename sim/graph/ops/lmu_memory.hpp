#pragma once
// The Legendre memory unit.

#include "sim/graph/operator.hpp"

namespace spikeloom {

// How the memory m[t] = A m[t-1] + B u[t] is computed (sim/graph/lmu.hpp: A, B, H[:,k] = A^k B).
// Table and sums are double, rounded to fp32 once; the forms agree within rounding, not in bits.
//   kEvent      m[t] = sum over the last `taps` steps s, oldest first, of H[:,t-s] u[s]: for spikes
//               additions only; what is older than `taps` steps is dropped, below 2^-30 per spike
//   kRecurrent  as written, the state rounded to fp32 after every step. State slot "m".
//   kFft        the event form's sum over a whole sequence of `steps` steps by FFT: cannot stream
enum class LmuForm { kEvent, kRecurrent, kFft };
constexpr const char* kLmuFormNames[] = {"event", "recurrent", "fft"};

// One input value per step ([1], spikes or real) to `order` real values.
struct LmuMemory {
  int64_t order = 0;
  double theta = 0;  // window, steps
  LmuForm form = LmuForm::kEvent;
  int64_t taps = 0;   // lmu_taps(order, theta)
  int64_t steps = 0;  // kFft: length of the sequence
  // Stored copies <prefix>.A, .B, .H, .fft_H are checked or ignored, never used; not in files.
  std::string prefix;

  static constexpr const char* kKind = "lmu_memory";
  template <typename Self, typename V>
  static void fields(Self& o, V& v) {
    v.integer("order", o.order, {1, 4096});
    v.real("theta", o.theta);
    v.choice("form", o.form, kLmuFormNames);
    v.integer("taps", o.taps, {1, int64_t{1} << 20});
    v.integer("steps", o.steps, {0});
    v.label(o.label());
  }
  std::string label() const;  // "lmu memory event"
  Inferred infer(Inputs in) const;
  static constexpr NoParameters parameters{};
  static constexpr NotALayer layer{};  // its numbers follow from order and theta
  std::vector<StateSlot> state(const Shape& shape) const;
  StepWindow window() const;
  // The event form adds a column of `order` values per spike and step reached (dense: order x sum
  // over t of min(taps, t+1)); the recurrent form adds B per spike and multiplies order^2 real
  // values every step; the fft form is counted as half the real operations of its order + 1 real
  // transforms of length 2T (2.5 n log2 n each) and products (6 a frequency).
  NodeWork work(const NodeRun& run) const;
  ValueGain gain(const ArrayBounds& arrays) const;
  ValueBound bound(const BoundInput& in) const;
  static constexpr NotRecorded population{};
};

}  // namespace spikeloom
