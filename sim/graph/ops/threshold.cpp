#include "sim/graph/ops/threshold.hpp"

#include <fmt/format.h>

#include "sim/graph/infer.hpp"

namespace spikeloom {

std::string Threshold::label() const {
  return fmt::format("threshold {} {}", kFireWords[static_cast<size_t>(fire)], threshold);
}

Inferred Threshold::infer(Inputs in) const {
  return {EdgeKind::kSpikes, infer_same(in).shape};
}

NodeWork Threshold::work(const NodeRun& run) const {
  return {.elementwise = {.comparisons = run.has_mask() ? 0 : run.outputs()}};
}

ValueBound Threshold::bound(const BoundInput& in) const {
  return {in.in[0], 1};
}

std::optional<PopulationInfo> Threshold::population() const {
  return PopulationInfo{"threshold", double{threshold}, false, false};
}

}  // namespace spikeloom
