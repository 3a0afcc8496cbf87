#include "sim/graph/infer.hpp"

#include <fmt/format.h>

namespace spikeloom {

void misfit(const std::string& reason) {
  throw Error(ErrorCode::kUsage, reason);
}

void require_inputs(Inputs in, size_t count) {
  if (in.size() != count) misfit(fmt::format("needs {} inputs, got {}", count, in.size()));
}

void require_kind(const InputValue& in, EdgeKind kind) {
  if (in.kind == kind) return;
  misfit(fmt::format("input {} must be {}", in.name, kEdgeKindNames[static_cast<size_t>(kind)]));
}

void require_not_counts(const InputValue& in) {
  if (in.kind == EdgeKind::kCounts) misfit(fmt::format("input {} holds counts", in.name));
}

void require_channels(const InputValue& in, int64_t channels) {
  if (channels_of(in.shape) != channels) {
    misfit(fmt::format("needs {} channels, got {}", channels, to_string(in.shape)));
  }
}

void require_vector(const InputValue& in, int64_t channels) {
  if (in.shape != Shape{channels})
    misfit(fmt::format("needs [{}] a step, got {}", channels, to_string(in.shape)));
}

void require_array_fits(const std::string& array, const Shape& shape, Inputs in) {
  if (array.empty() || in.empty()) {
    if (!shape.empty()) misfit("has a shape of numbers, but no array of them");
    return;
  }
  const Shape& value = in[0].shape;
  if (shape != value && shape != Shape{channels_of(value)})
    misfit(
        fmt::format("{} has shape {}, the value is {}", array, to_string(shape), to_string(value)));
}

int64_t head_dim(int64_t channels, int64_t heads) {
  if (heads <= 0 || channels % heads != 0) {
    misfit(fmt::format("{} channels do not divide into {} heads", channels, heads));
  }
  return channels / heads;
}

void require_events(const InputValue& in) {
  if (!is_events(in.kind)) misfit(fmt::format("input {} must be spikes or levels", in.name));
}

namespace {

LevelRange checked(LevelRange range) {
  if (range.largest() > kMostLevel)
    misfit(fmt::format("adds up levels to {}, at most {}", range.largest(), kMostLevel));
  return range;
}

}  // namespace

LevelRange times(LevelRange range, int64_t most) {
  if (most > kMostLevel) misfit(fmt::format("adds {} levels, at most {}", most, kMostLevel));
  return checked({range.low * most, range.high * most});
}

LevelRange sum_of(LevelRange a, LevelRange b) {
  return checked({a.low + b.low, a.high + b.high});
}

Inferred infer_same(Inputs in) {
  require_inputs(in, 1);
  if (in[0].kind != EdgeKind::kLevels) require_kind(in[0], EdgeKind::kReal);
  return {EdgeKind::kReal, in[0].shape};
}

Inferred infer_numbers(Inputs in) {
  require_inputs(in, 1);
  require_not_counts(in[0]);
  return {EdgeKind::kReal, in[0].shape};
}

Inferred infer_pair(Inputs in) {
  require_inputs(in, 2);
  for (const InputValue& value : in) require_kind(value, EdgeKind::kReal);
  if (in[0].shape != in[1].shape) {
    misfit("combines " + to_string(in[0].shape) + " and " + to_string(in[1].shape));
  }
  return {EdgeKind::kReal, in[0].shape};
}

ValueBound of_gain(const BoundInput& in) {
  const double most = in.gain.gain * in.in[0] + in.gain.offset;
  return {most, most};
}

void not_finite(const std::string& name) {
  throw Error(ErrorCode::kData, name + " leaves the range of fp32 (NaN or infinity)");
}

}  // namespace spikeloom
