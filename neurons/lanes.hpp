#pragma once
// The lane types a neuron's step is written over. The step of a model stands once, as a template of
// a lane type L: `float` in the reference, a vector in the kernels (sim/backends/cpu/neurons.cpp),
// a thread's float on other devices. L has
//
//   L(float), + - * / (one rounding each), < > >= giving a mask, select(mask, a, b)
//   lane_exp(x)    core/ordered_math.hpp, the same bits for every lane type
//   lane_trunc(x)  towards 0
//
// and nothing else: a step has no branch on a lane's value. CountingLane counts what a step does.

#include <cmath>
#include <cstdint>

#include "core/ordered_math.hpp"

namespace spikeloom {

SPIKELOOM_DEVICE inline float lane_exp(float x) noexcept {
  return ordered_exp(x);
}
SPIKELOOM_DEVICE inline float lane_trunc(float x) noexcept {
  return std::trunc(x);
}
SPIKELOOM_DEVICE inline float select(bool mask, float a, float b) noexcept {
  return mask ? a : b;
}

// Arithmetic of one neuron at one step.
struct NeuronWork {
  int64_t additions = 0;  // and subtractions
  int64_t multiplications = 0, divisions = 0, comparisons = 0, exponentials = 0;
  bool operator==(const NeuronWork&) const = default;
};

// A lane without a value, which adds every operation up. Constants have nowhere to add to; every
// operation has at least one operand that is none.
struct CountingLane {
  NeuronWork* work = nullptr;
  struct Mask {};

  CountingLane() = default;
  explicit CountingLane(float) {}
  explicit CountingLane(NeuronWork* into) : work(into) {}

  static CountingLane count(CountingLane a, CountingLane b, int64_t NeuronWork::*what) {
    NeuronWork* into = a.work != nullptr ? a.work : b.work;
    if (into != nullptr) ++(into->*what);
    return CountingLane(into);
  }
  friend CountingLane operator+(CountingLane a, CountingLane b) {
    return count(a, b, &NeuronWork::additions);
  }
  friend CountingLane operator-(CountingLane a, CountingLane b) {
    return count(a, b, &NeuronWork::additions);
  }
  friend CountingLane operator*(CountingLane a, CountingLane b) {
    return count(a, b, &NeuronWork::multiplications);
  }
  friend CountingLane operator/(CountingLane a, CountingLane b) {
    return count(a, b, &NeuronWork::divisions);
  }
  static Mask compare(CountingLane a, CountingLane b) {
    count(a, b, &NeuronWork::comparisons);
    return {};
  }
  friend Mask operator<(CountingLane a, CountingLane b) { return compare(a, b); }
  friend Mask operator>(CountingLane a, CountingLane b) { return compare(a, b); }
  friend Mask operator>=(CountingLane a, CountingLane b) { return compare(a, b); }
  friend CountingLane select(Mask, CountingLane a, CountingLane b) {
    return a.work != nullptr ? a : b;
  }
  friend CountingLane lane_exp(CountingLane x) { return count(x, x, &NeuronWork::exponentials); }
  friend CountingLane lane_trunc(CountingLane x) { return x; }
};

}  // namespace spikeloom
