#include "sim/graph/random_weights.hpp"

#include <cmath>

#include "core/hash.hpp"
#include "core/rng.hpp"

namespace spikeloom {
namespace {

struct Range {
  float low, high;
};

Range range_of(const Parameter& parameter) {
  const std::string& name = parameter.name;
  const auto usual = static_cast<float>(parameter.usual);
  if (usual != 0) return {0.75f * usual, 1.25f * usual};
  if (parameter.shape.size() > 1) {
    const int64_t inputs = element_count(parameter.shape) / parameter.shape[0];
    const auto fan_in = static_cast<float>(inputs);
    const float limit = std::sqrt(15.0f / fan_in);  // variance limit^2 / 3 = 5 / fan-in
    return {-limit, limit};
  }
  if (name.ends_with(".running_var") || name.ends_with(".weight")) return {0.75f, 1.25f};
  if (name.ends_with(".running_mean")) return {-0.1f, 0.1f};
  return {-0.1f, 0.5f};
}

}  // namespace

Weights random_weights(const Graph& graph, uint64_t seed) {
  Weights weights;
  for (const Node& node : graph.nodes()) {
    for (const Parameter& parameter : parameters_of(node.op)) {
      if (weights.contains(parameter.name)) continue;
      const auto* name = reinterpret_cast<const uint8_t*>(parameter.name.data());
      const uint64_t stream = fnv1a({name, parameter.name.size()});
      const Range range = range_of(parameter);
      Tensor values(parameter.shape);
      uint64_t index = 0;
      for (float& value : values.f32()) {
        value = range.low + (range.high - range.low) * random_uniform(seed, stream, index++);
      }
      weights.add(parameter.name, std::move(values));
    }
  }
  return weights;
}

}  // namespace spikeloom
