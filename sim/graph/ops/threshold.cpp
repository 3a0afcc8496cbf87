#include "sim/graph/ops/threshold.hpp"

#include <fmt/format.h>

#include <limits>

#include "sim/graph/infer.hpp"

namespace spikeloom {

std::string Threshold::label() const {
  if (!thresholds.empty())
    return fmt::format("thresholds {} of {}", kFireWords[static_cast<size_t>(fire)], thresholds);
  return fmt::format("threshold {} {}", kFireWords[static_cast<size_t>(fire)], threshold);
}

Inferred Threshold::infer(Inputs in) const {
  require_array_fits(thresholds, shape, in);
  return {EdgeKind::kSpikes, infer_same(in).shape};
}

std::vector<Parameter> Threshold::parameters() const {
  if (thresholds.empty()) return {};
  return {{thresholds, shape}};
}

// Only numbers decide.
ValueGain Threshold::gain(const ArrayBounds& arrays) const {
  arrays.largest(thresholds);
  return {};
}

NodeWork Threshold::work(const NodeRun& run) const {
  return {.elementwise = {.comparisons = run.has_mask() ? 0 : run.outputs()}};
}

ValueBound Threshold::bound(const BoundInput& in) const {
  return {in.in[0], 1};
}

std::optional<PopulationInfo> Threshold::population() const {
  constexpr double kDiffers = std::numeric_limits<double>::quiet_NaN();
  return PopulationInfo{"threshold", thresholds.empty() ? double{threshold} : kDiffers, false,
                        false};
}

}  // namespace spikeloom
