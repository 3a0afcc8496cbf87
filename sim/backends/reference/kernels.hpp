#pragma once
// The scalar kernels of the reference backend: the specification of every operator. Internal to
// sim/backends/reference.
//
// run_op(op, prepared, io, t) computes step t of one node, without its padding. Thread-safe for
// different values; throws nothing.

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <memory>
#include <optional>
#include <vector>

#include "sim/backends/lmu_fft.hpp"
#include "sim/plan/backend.hpp"

namespace spikeloom::reference {

// What prepare() keeps: the arrays as stored; scale and shift of a normalisation; the mixing
// weights of TokenMix and factors of Scale as scale; thresholds as shift; w and u of Wkv as scale and shift; where accumulators are narrow,
// the largest magnitude of each output channel or of all. Integer weights (sim/graph/quantize.hpp)
// are kept as numbers; with spikes they are added as integers.
struct Prepared {
  std::vector<float> weight, bias, scale, shift, limits;
  std::vector<int64_t> steps;  // of a Delay, by element
  bool adds_integers = false;
  NeuronCoefficients neuron;
  std::shared_ptr<const LmuSystem> memory;
  std::optional<LmuFft> fft;
};

// Element of either kind of value as a number.
inline float element(const ValueRef& value, int64_t step, int64_t row, int64_t channel) {
  if (value.bits != nullptr) return value.bits_at(step).test(row, channel) ? 1.0f : 0.0f;
  return value.real_row(step, row)[channel];
}

// The number of a channel or element from an array of either; `one` where there is no array.
inline float number_of(const std::vector<float>& array, float one, int64_t channels, int64_t row,
                       int64_t channel) {
  if (array.empty()) return one;
  const bool by_channel = std::ssize(array) == channels;
  return array[static_cast<size_t>(by_channel ? channel : row * channels + channel)];
}

// What an accumulator holds after an addition.
inline float held(const Prepared& p, int64_t channel, float sum) {
  if (p.limits.empty()) return sum;
  const float limit = p.limits[p.limits.size() == 1 ? 0 : static_cast<size_t>(channel)];
  return std::clamp(sum, -limit, limit);
}

// The main sum of one output of a layer.
class Sum {
 public:
  Sum(const Prepared& p, int64_t channel) : p_(p), channel_(channel) {}
  void add(float weight, float input) {
    if (input == 0.0f) return;  // fma(w, 0, acc) = acc
    if (p_.adds_integers) {
      integer_ += static_cast<double>(weight);  // exact below 2^53
    } else {
      real_ = held(p_, channel_, std::fma(weight, input, real_));
    }
  }
  // With the scale of integer weights and the bias.
  float value() const {
    const auto c = static_cast<size_t>(channel_);
    float y = p_.adds_integers ? static_cast<float>(integer_) : real_;
    if (!p_.scale.empty()) y *= p_.scale[c];
    return p_.bias.empty() ? y : y + p_.bias[c];
  }

 private:
  const Prepared& p_;
  int64_t channel_;
  float real_ = 0;
  double integer_ = 0;
};

// Every value of a step from its place.
template <typename F>
void elementwise(const UnitIo& io, int64_t t, F f) {
  for (int64_t row = 0; row < io.real.rows; ++row) {
    for (int64_t c = 0; c < io.real.channels; ++c) io.real.real_row(t, row)[c] = f(row, c);
  }
}

void run_op(const Conv2d& op, const Prepared& p, const UnitIo& io, int64_t t);
void run_op(const Linear& op, const Prepared& p, const UnitIo& io, int64_t t);
void run_op(const BatchNorm& op, const Prepared& p, const UnitIo& io, int64_t t);
void run_op(const Neuron& op, const Prepared& p, const UnitIo& io, int64_t t);
void run_op(const KtV& op, const Prepared& p, const UnitIo& io, int64_t t);
void run_op(const QApply& op, const Prepared& p, const UnitIo& io, int64_t t);
void run_op(const Add& op, const Prepared& p, const UnitIo& io, int64_t t);
void run_op(const Scale& op, const Prepared& p, const UnitIo& io, int64_t t);
void run_op(const Activation& op, const Prepared& p, const UnitIo& io, int64_t t);
void run_op(const SpatialMean& op, const Prepared& p, const UnitIo& io, int64_t t);
void run_op(const StepMean& op, const Prepared& p, const UnitIo& io, int64_t t);
void run_op(const SoftmaxAttention& op, const Prepared& p, const UnitIo& io, int64_t t);
void run_op(const Embedding& op, const Prepared& p, const UnitIo& io, int64_t t);
void run_op(const Threshold& op, const Prepared& p, const UnitIo& io, int64_t t);
void run_op(const LayerNorm& op, const Prepared& p, const UnitIo& io, int64_t t);
void run_op(const Delay& op, const Prepared& p, const UnitIo& io, int64_t t);
void run_op(const TokenMix& op, const Prepared& p, const UnitIo& io, int64_t t);
void run_op(const Wkv& op, const Prepared& p, const UnitIo& io, int64_t t);
void run_op(const Mul& op, const Prepared& p, const UnitIo& io, int64_t t);
void run_op(const Conv1d& op, const Prepared& p, const UnitIo& io, int64_t t);
void run_op(const LmuMemory& op, const Prepared& p, const UnitIo& io, int64_t t);
void run_op(const Concat& op, const Prepared& p, const UnitIo& io, int64_t t);
void run_op(const Positions& op, const Prepared& p, const UnitIo& io, int64_t t);
void run_op(const Prepend& op, const Prepared& p, const UnitIo& io, int64_t t);
void run_op(const Pool2d& op, const Prepared& p, const UnitIo& io, int64_t t);
void run_op(const Flatten& op, const Prepared& p, const UnitIo& io, int64_t t);
void run_op(const FirstRow& op, const Prepared& p, const UnitIo& io, int64_t t);
inline void run_op(const Input&, const Prepared&, const UnitIo&, int64_t) {}
inline void run_op(const View&, const Prepared&, const UnitIo&, int64_t) {}
inline void run_op(const Feedback&, const Prepared&, const UnitIo&, int64_t) {}
inline void run_op(const RecordedOp&, const Prepared&, const UnitIo&, int64_t) {}

}  // namespace spikeloom::reference
