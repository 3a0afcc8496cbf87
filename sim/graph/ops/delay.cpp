#include "sim/graph/ops/delay.hpp"

#include <cmath>

#include "sim/graph/infer.hpp"

namespace spikeloom {

Inferred Delay::infer(Inputs in) const {
  require_inputs(in, 1);
  require_not_counts(in[0]);
  if (steps < 1) misfit("delays by no step");
  if (!by_element.empty() && shape != in[0].shape)
    misfit("has delays for " + to_string(shape) + ", got " + to_string(in[0].shape));
  return {in[0].kind, in[0].shape, 0, true, in[0].levels};
}

std::vector<Parameter> Delay::parameters() const {
  if (by_element.empty()) return {};
  return {{by_element, shape}};
}

ValueGain Delay::gain(const ArrayBounds& arrays) const {
  steps_by_element(*this, arrays.weights());
  return {};
}

ValueBound Delay::bound(const BoundInput& in) const {
  return {in.in[0], in.in[0]};
}

std::optional<PopulationInfo> Delay::population() const {
  return PopulationInfo{"delay", 1, false, false, true};
}

std::vector<int64_t> steps_by_element(const Delay& op, const Weights& weights) {
  if (op.by_element.empty()) return {};
  std::vector<int64_t> result;
  for (const float value : weights.at(op.by_element).data.f32()) {
    if (!(value >= 0 && value <= static_cast<float>(op.steps) && value == std::floor(value))) {
      throw Error(ErrorCode::kData, op.by_element + ": holds " + std::to_string(value) +
                                        ", no number of steps from 0 to " +
                                        std::to_string(op.steps));
    }
    result.push_back(static_cast<int64_t>(value));
  }
  return result;
}

}  // namespace spikeloom
