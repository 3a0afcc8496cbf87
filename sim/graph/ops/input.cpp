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
    if (events) misfit("tokens are no events");
  }
  return {events ? EdgeKind::kSpikes : EdgeKind::kReal, shape, vocabulary, repeated};
}

ValueBound Input::bound(const BoundInput& in) const {
  const double most = vocabulary > 0 ? static_cast<double>(vocabulary) : in.network_input;
  return {most, most};
}

std::optional<PopulationInfo> Input::population() const {
  if (!events) return std::nullopt;
  return PopulationInfo{"input", 1, false, true};
}

}  // namespace spikeloom
