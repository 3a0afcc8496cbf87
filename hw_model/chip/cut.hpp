#pragma once
// How populations are cut into boxes, a core each. Internal to hw_model/chip.

#include <cstdint>
#include <vector>

#include "hw_model/chip/mapping.hpp"

namespace spikeloom {

// Channels x height x width of the largest box of a cut.
struct BlockShape {
  int64_t channels = 1, height = 1, width = 1;
  int64_t neurons() const noexcept { return channels * height * width; }
};

// Is `other` this population, or does it share its cores?
bool lives_with(const ChipNetwork& network, size_t population, size_t other);
// The matrix of an attention lies on one core: its target may be cut into channels alone.
bool keeps_tokens_together(const ChipNetwork& network, size_t population);
int64_t boxes_of(const ChipPopulation& population, const BlockShape& shape);

// By population, the cut of map_sequential(); those beside another have none. Throws as it does.
std::vector<BlockShape> fewest_boxes(const ChipNetwork& network, const ChipSpec& chip);
// Boxes of these shapes in the order of the layers, on cores 0, 1, 2, ... as map_sequential() has
// them. Throws Error(kCapacity) where the chip has too few cores.
Mapping map_shapes(const ChipNetwork& network, const ChipSpec& chip,
                   const std::vector<BlockShape>& shapes);

}  // namespace spikeloom
