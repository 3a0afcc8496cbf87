#include "sim/graph/ops/concat.hpp"

#include <algorithm>

#include "sim/graph/infer.hpp"

namespace spikeloom {

Inferred Concat::infer(Inputs in) const {
  if (in.size() != 2 && in.size() != 3) misfit("joins two or three values");
  int64_t channels = 0;
  EdgeKind kind = EdgeKind::kSpikes;
  LevelRange range;
  for (const InputValue& value : in) {
    require_not_counts(value);
    if (value.kind == EdgeKind::kReal || kind == EdgeKind::kReal) {
      kind = EdgeKind::kReal;
    } else if (value.kind == EdgeKind::kLevels) {
      kind = EdgeKind::kLevels;
    }
    range.low = std::min(range.low, value.levels.low);
    range.high = std::max(range.high, value.levels.high);
    require_vector(value, channels_of(value.shape));
    channels += channels_of(value.shape);
  }
  if (kind != EdgeKind::kLevels) range = {};
  return {kind, {channels}, 0, true, range};
}

ValueBound Concat::bound(const BoundInput& in) const {
  const double most = *std::max_element(in.in.begin(), in.in.end());
  return {most, most};
}

}  // namespace spikeloom
