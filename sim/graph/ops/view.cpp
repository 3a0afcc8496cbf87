#include "sim/graph/ops/view.hpp"

#include "sim/graph/infer.hpp"

namespace spikeloom {

Inferred View::infer(Inputs in) const {
  require_inputs(in, 1);
  if (element_count(shape) != element_count(in[0].shape) ||
      channels_of(shape) != channels_of(in[0].shape)) {
    misfit("views " + to_string(in[0].shape) + " as " + to_string(shape));
  }
  return {in[0].kind, shape, 0, true, in[0].levels};
}

ValueBound View::bound(const BoundInput& in) const {
  return {in.in[0], in.in[0]};
}

}  // namespace spikeloom
