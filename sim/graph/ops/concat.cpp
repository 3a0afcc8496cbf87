#include "sim/graph/ops/concat.hpp"

#include <algorithm>

#include "sim/graph/infer.hpp"

namespace spikeloom {

Inferred Concat::infer(Inputs in) const {
  if (in.size() != 2 && in.size() != 3) misfit("joins two or three values");
  int64_t channels = 0;
  EdgeKind kind = EdgeKind::kSpikes;
  for (const InputValue& value : in) {
    require_not_counts(value);
    if (value.kind == EdgeKind::kReal) kind = EdgeKind::kReal;
    require_vector(value, channels_of(value.shape));
    channels += channels_of(value.shape);
  }
  return {kind, {channels}};
}

ValueBound Concat::bound(const BoundInput& in) const {
  const double most = *std::max_element(in.in.begin(), in.in.end());
  return {most, most};
}

}  // namespace spikeloom
