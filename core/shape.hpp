#pragma once
// Tensor extents, outermost first.

#include <cstdint>
#include <string>
#include <vector>

namespace spikeloom {

using Shape = std::vector<int64_t>;

// Product of the extents (1 for a scalar). Throws Error(kData) when an extent is negative or the
// product exceeds 2^62: every size that came from a file passes through here before memory is
// allocated.
int64_t element_count(const Shape& shape);

// "[2, 3, 4]"
std::string to_string(const Shape& shape);
// "[2, 0, 5]": where the element of that number stands, counted from 0.
std::string place_text(const Shape& shape, int64_t element);

}  // namespace spikeloom
