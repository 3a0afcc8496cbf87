#include "sim/graph/ops/step_mean.hpp"

#include "sim/graph/infer.hpp"

namespace spikeloom {

Inferred StepMean::infer(Inputs in) const {
  return infer_same(in);
}

std::vector<StateSlot> StepMean::state(const Shape& shape) const {
  return {{"sum", shape, 0.0f}};
}

NodeWork StepMean::work(const NodeRun& run) const {
  return {.elementwise = {.step_mean = run.inputs()}};
}

ValueBound StepMean::bound(const BoundInput& in) const {
  return {in.in[0] * in.steps, in.in[0]};
}

}  // namespace spikeloom
