#include "sim/graph/ops/scale.hpp"

#include <algorithm>
#include <cmath>

#include "sim/graph/infer.hpp"

namespace spikeloom {

Inferred Scale::infer(Inputs in) const {
  require_array_fits(factors, shape, in);
  return infer_numbers(in);
}

std::vector<Parameter> Scale::parameters() const {
  if (factors.empty()) return {};
  return {{factors, shape, 1.0}};
}

ValueGain Scale::gain(const ArrayBounds& arrays) const {
  return {factors.empty() ? std::abs(double{factor}) : arrays.largest(factors), 0};
}

NodeWork Scale::work(const NodeRun& run) const {
  return {.elementwise = {.scalings = run.outputs()}};
}

ValueBound Scale::bound(const BoundInput& in) const {
  return {in.in[0] * std::max(1.0, in.gain.gain), in.in[0] * in.gain.gain};
}

}  // namespace spikeloom
