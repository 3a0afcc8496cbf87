#include "sim/graph/ops/step_mean.hpp"

#include "sim/graph/infer.hpp"

namespace spikeloom {

Inferred StepMean::infer(Inputs in) const {
  return infer_numbers(in);
}

std::vector<StateSlot> StepMean::state(const Shape& shape) const {
  return {{"sum", shape, 0.0f}};
}

NodeWork StepMean::work(const NodeRun& run) const {
  return {.elementwise = {.step_mean = run.inputs()}};
}

ValueBound StepMean::bound(const BoundInput& in) const {
  const double sum = in.in[0] * in.steps;
  switch (mode) {
    case StepMode::kMean: return {sum, in.in[0]};
    case StepMode::kSum: return {sum, sum};
    case StepMode::kMost: break;
  }
  return {in.in[0], in.in[0]};
}

}  // namespace spikeloom
