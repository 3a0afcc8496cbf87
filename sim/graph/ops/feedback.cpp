#include "sim/graph/ops/feedback.hpp"

#include <limits>

#include "sim/graph/infer.hpp"

namespace spikeloom {

Inferred Feedback::infer(Inputs in) const {
  require_inputs(in, 0);
  if (shape.empty()) misfit("has no shape");
  for (const int64_t extent : shape) {
    if (extent <= 0) misfit("shape " + to_string(shape) + " has an empty axis");
  }
  return {spikes ? EdgeKind::kSpikes : EdgeKind::kReal, shape, 0, false};
}

ValueBound Feedback::bound(const BoundInput&) const {
  const double most = spikes ? 1 : std::numeric_limits<double>::infinity();
  return {most, most};
}

std::optional<PopulationInfo> Feedback::population() const {
  if (!spikes) return std::nullopt;
  return PopulationInfo{"feedback", 1, false, false, true};
}

}  // namespace spikeloom
