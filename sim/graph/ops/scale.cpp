#include "sim/graph/ops/scale.hpp"

#include <algorithm>
#include <cmath>

#include "sim/graph/infer.hpp"

namespace spikeloom {

Inferred Scale::infer(Inputs in) const {
  return infer_same(in);
}

NodeWork Scale::work(const NodeRun& run) const {
  return {.elementwise = {.scalings = run.outputs()}};
}

ValueBound Scale::bound(const BoundInput& in) const {
  const double factor_size = double{std::abs(factor)};
  return {in.in[0] * std::max(1.0, factor_size), in.in[0] * factor_size};
}

}  // namespace spikeloom
