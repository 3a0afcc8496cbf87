#include "sim/graph/ops/ktv.hpp"

#include "sim/graph/infer.hpp"

namespace spikeloom {

Inferred KtV::infer(Inputs in) const {
  require_inputs(in, 2);
  for (const InputValue& value : in) require_kind(value, EdgeKind::kSpikes);
  if (in[0].shape != in[1].shape) misfit("K and V differ in shape");
  const int64_t d = head_dim(channels_of(in[0].shape), heads);
  return {EdgeKind::kCounts, {heads, d, d}};
}

ValueBound KtV::bound(const BoundInput& in) const {
  return {in.rows, in.rows};
}

}  // namespace spikeloom
