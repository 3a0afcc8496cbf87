#include "sim/graph/ops/lmu_memory.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "sim/graph/infer.hpp"
#include "sim/graph/lmu.hpp"

namespace spikeloom {

namespace {

// MACs of the memory over one sample, every operand real.
int64_t macs_of(const LmuMemory& memory, int64_t steps) {
  switch (memory.form) {
    case LmuForm::kRecurrent: return steps * memory.order * (memory.order + 1);
    case LmuForm::kEvent: {
      const int64_t rising = std::min(steps, memory.taps);
      return memory.order * (rising * (rising + 1) / 2 + (steps - rising) * memory.taps);
    }
    case LmuForm::kFft: {
      const auto length = static_cast<double>(2 * steps), order = static_cast<double>(memory.order);
      const double operations = (order + 1) * 2.5 * length * std::log2(length) +
                                6 * order * static_cast<double>(steps + 1);
      return std::llround(operations / 2);
    }
  }
  return 0;
}

}  // namespace

std::string LmuMemory::label() const {
  return fmt::format("lmu memory {}", kLmuFormNames[static_cast<size_t>(form)]);
}

Inferred LmuMemory::infer(Inputs in) const {
  require_inputs(in, 1);
  require_not_counts(in[0]);
  require_vector(in[0], 1);
  const bool fft = form == LmuForm::kFft;
  if (order < 1 || !(theta > 0) || taps < 1 || (fft && this->steps < 1))
    misfit("has an impossible order, theta, number of taps or of steps");
  return {EdgeKind::kReal, {order}};
}

std::vector<StateSlot> LmuMemory::state(const Shape& shape) const {
  if (form != LmuForm::kRecurrent) return {};
  return {{"m", shape, 0.0f}};
}

StepWindow LmuMemory::window() const {
  return form == LmuForm::kEvent ? StepWindow{taps - 1, 0} : StepWindow{};
}

NodeWork LmuMemory::work(const NodeRun& run) const {
  LayerCount count = run.layer(order * (form == LmuForm::kRecurrent ? order + 1 : taps), 0);
  count.dense_macs = count.dense_macs_once = count.real_macs =
      run.samples() * macs_of(*this, run.steps());
  count.legendre_memory = true;
  count.spike_operand = count.spike_operand && form != LmuForm::kFft;
  if (!count.spike_operand) return {.layer = count};
  const SpikeOperand spikes = run.spikes();
  count.input_events = spikes.events;
  if (form == LmuForm::kRecurrent) {
    count.event_adds = spikes.events * order;
    count.real_macs = run.evaluations() * order * order;
  } else {
    count.event_adds = order * reached_steps(window(), spikes.per_step, run.steps());
    count.real_macs = 0;
  }
  return {.layer = count};
}

// Sum over the impulse response of each order, for an input of 1 at every step.
ValueGain LmuMemory::gain(const ArrayBounds&) const {
  const auto system = lmu_system(order, theta);
  std::vector<double> sums(static_cast<size_t>(order));
  for (size_t i = 0; i < system->h.size(); ++i) sums[i % sums.size()] += std::abs(system->h[i]);
  return {2 * *std::max_element(sums.begin(), sums.end()), 0};  // 2: what fades is cut, rounded
}

ValueBound LmuMemory::bound(const BoundInput& in) const {
  return of_gain(in);
}

}  // namespace spikeloom
