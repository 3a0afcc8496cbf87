#include "sim/graph/ops/input.hpp"

#include <fmt/format.h>

#include "sim/graph/infer.hpp"

namespace spikeloom {

Inferred Input::infer(Inputs in) const {
  require_inputs(in, 0);
  for (const int64_t extent : shape) {
    if (extent <= 0) misfit("input shape " + to_string(shape) + " has an empty axis");
  }
  if (vocabulary != 0) {
    if (shape != Shape{1} || repeated) misfit("tokens come one a step, in shape [1]");
    if (vocabulary < 0 || vocabulary > int64_t{1} << 24) {
      misfit(fmt::format("a vocabulary of {} tokens is not in 1 to 2^24", vocabulary));
    }
    if (events || has_levels()) misfit("tokens are no events");
  }
  if (lowest > 0 || highest < 0 || -lowest > kMostLevel || highest > kMostLevel)
    misfit(fmt::format("levels from {} to {} do not contain 0 or exceed {}", lowest, highest,
                       kMostLevel));
  if (has_levels()) {
    if (events) misfit("is spikes or levels, not both");
    return {EdgeKind::kLevels, shape, 0, repeated, {lowest, highest}};
  }
  return {events ? EdgeKind::kSpikes : EdgeKind::kReal, shape, vocabulary, repeated};
}

Input input_of(Shape shape, bool repeated, const std::optional<LevelRange>& events) {
  Input input{std::move(shape), repeated};
  if (events == LevelRange()) {
    input.events = true;
  } else if (events) {
    input.lowest = events->low;
    input.highest = events->high;
  }
  return input;
}

ValueBound Input::bound(const BoundInput& in) const {
  const double most = vocabulary > 0 ? static_cast<double>(vocabulary) : in.network_input;
  return {most, most};
}

std::optional<PopulationInfo> Input::population() const {
  if (!events && !has_levels()) return std::nullopt;
  return PopulationInfo{"input", 1, false, true};
}

}  // namespace spikeloom
