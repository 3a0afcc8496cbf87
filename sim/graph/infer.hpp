#pragma once
// What the `infer` and `bound` rules of operators share. All throw Error(kUsage) with the reason;
// Graph::add puts the node's name in front.

#include "core/error.hpp"
#include "sim/graph/rules.hpp"

namespace spikeloom {

[[noreturn]] void misfit(const std::string& reason);

void require_inputs(Inputs in, size_t count);
void require_kind(const InputValue& in, EdgeKind kind);
void require_not_counts(const InputValue& in);
void require_channels(const InputValue& in, int64_t channels);
// [channels] a step.
void require_vector(const InputValue& in, int64_t channels);
// An array with a number for each channel or for each element of the first input; "": none.
void require_array_fits(const std::string& array, const Shape& shape, Inputs in);
// Channels of a head. Throws when they do not divide.
int64_t head_dim(int64_t channels, int64_t heads);

// Spikes or levels.
void require_events(const InputValue& in);
// `low` to `high` times levels: of sums, where what is left out counts as 0. Throws when a sum may
// leave the whole numbers fp32 adds exactly.
LevelRange times(LevelRange range, int64_t most);
LevelRange sum_of(LevelRange a, LevelRange b);

// One real value or levels as numbers, the result is real and alike.
Inferred infer_same(Inputs in);
// One real value, spikes or levels as numbers, the result is real and alike.
Inferred infer_numbers(Inputs in);
// Two real values of one shape, the result is alike.
Inferred infer_pair(Inputs in);

// gain * bound of the first input + offset.
ValueBound of_gain(const BoundInput& in);
// Throws Error(kData): `name` leaves the range of fp32.
[[noreturn]] void not_finite(const std::string& name);

}  // namespace spikeloom
