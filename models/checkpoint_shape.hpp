#pragma once
// Dimensions of a network read off the tensors of a checkpoint.

#include <cstdint>
#include <string>

#include "core/weights.hpp"

namespace spikeloom {

// Extent `axis` of an array of `rank` axes, or 0 when it is not there or of another rank.
int64_t extent_of(const Weights& weights, const std::string& name, size_t axis, size_t rank = 2);

// One more than the largest i of "blocks.<i>."; blocks may be missing from a damaged file: binding
// the weights lists the holes. Throws Error(kData) when there cannot be so many.
int64_t block_count(const Weights& weights);

// What a checkpoint says of model.<key>, unless the key (0: not given) says otherwise:
// Error(kUsage).
void take_stored(const char* key, int64_t& value, int64_t stored);

// Throws Error(kUsage) unless a token model without a checkpoint has all of them; `preset` says
// what would, "model.preset or ".
void require_dimensions(int64_t layers, int64_t width, int64_t vocabulary, const char* preset);

}  // namespace spikeloom
