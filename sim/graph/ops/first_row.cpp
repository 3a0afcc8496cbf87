#include "sim/graph/ops/first_row.hpp"

#include "sim/graph/infer.hpp"

namespace spikeloom {

Inferred FirstRow::infer(Inputs in) const {
  return {EdgeKind::kReal, {channels_of(infer_same(in).shape)}};
}

ValueBound FirstRow::bound(const BoundInput& in) const {
  return {in.in[0], in.in[0]};
}

}  // namespace spikeloom
