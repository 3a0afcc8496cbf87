#include "sim/graph/ops/delay.hpp"

#include "sim/graph/infer.hpp"

namespace spikeloom {

Inferred Delay::infer(Inputs in) const {
  return infer_same(in);
}

std::vector<StateSlot> Delay::state(const Shape& shape) const {
  return {{"previous", shape, 0.0f}};
}

ValueBound Delay::bound(const BoundInput& in) const {
  return {in.in[0], in.in[0]};
}

}  // namespace spikeloom
