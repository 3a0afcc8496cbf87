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
  if (has_levels()) {
    if (spikes) misfit("shows spikes or levels, not both");
    return {EdgeKind::kLevels, shape, 0, false, {lowest, highest}};
  }
  return {spikes ? EdgeKind::kSpikes : EdgeKind::kReal, shape, 0, false};
}

ValueBound Feedback::bound(const BoundInput&) const {
  const double most = spikes         ? 1
                      : has_levels() ? static_cast<double>(LevelRange{lowest, highest}.largest())
                                     : std::numeric_limits<double>::infinity();
  return {most, most};
}

std::optional<PopulationInfo> Feedback::population() const {
  if (!spikes && !has_levels()) return std::nullopt;
  return PopulationInfo{"feedback", 1, false, false, true};
}

}  // namespace spikeloom
