#include "sim/graph/ops/flatten.hpp"

#include "sim/graph/infer.hpp"

namespace spikeloom {

Inferred Flatten::infer(Inputs in) const {
  require_inputs(in, 1);
  require_not_counts(in[0]);
  if (in[0].vocabulary > 0) misfit("flattens values, not tokens");
  const Shape& from = in[0].shape;
  if (from.size() != 3 && from.size() != 1)
    misfit("needs a map or a vector, got " + to_string(from));
  return {in[0].kind, {element_count(from)}, 0, true, in[0].levels};
}

ValueBound Flatten::bound(const BoundInput& in) const {
  return {in.in[0], in.in[0]};
}

}  // namespace spikeloom
