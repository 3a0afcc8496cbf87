#include "sim/graph/ops/mul.hpp"

#include "sim/graph/infer.hpp"

namespace spikeloom {

Inferred Mul::infer(Inputs in) const {
  return infer_pair(in);
}

NodeWork Mul::work(const NodeRun& run) const {
  return {.elementwise = {.products = run.outputs()}};
}

ValueBound Mul::bound(const BoundInput& in) const {
  const double most = in.in[0] * in.in[1];
  return {most, most};
}

}  // namespace spikeloom
