#include "sim/graph/ops/positions.hpp"

#include <fmt/format.h>

#include "sim/graph/infer.hpp"

namespace spikeloom {

Inferred Positions::infer(Inputs in) const {
  Inferred out = infer_same(in);
  require_channels(in[0], channels);
  const int64_t rows = rows_of(in[0].shape);
  if (count < 1 || rows != (along_steps ? 1 : count))
    misfit(fmt::format("has {} positions for {} rows", count, rows));
  return out;
}

std::vector<Parameter> Positions::parameters() const {
  return {{weight, {1, count, channels}}};
}

NodeWork Positions::work(const NodeRun& run) const {
  return {.elementwise = {.bias_additions = run.outputs()}};
}

ValueGain Positions::gain(const ArrayBounds& arrays) const {
  return {1, arrays.largest(weight)};
}

ValueBound Positions::bound(const BoundInput& in) const {
  return of_gain(in);
}

}  // namespace spikeloom
