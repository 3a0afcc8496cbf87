#include "sim/graph/ops/prepend.hpp"

#include "sim/graph/infer.hpp"

namespace spikeloom {

Inferred Prepend::infer(Inputs in) const {
  infer_same(in);
  require_channels(in[0], channels);
  return {EdgeKind::kReal, {rows_of(in[0].shape) + 1, channels}};
}

std::vector<Parameter> Prepend::parameters() const {
  return {{weight, {1, 1, channels}}};
}

ValueGain Prepend::gain(const ArrayBounds& arrays) const {
  return {1, arrays.largest(weight)};
}

ValueBound Prepend::bound(const BoundInput& in) const {
  return of_gain(in);
}

}  // namespace spikeloom
