#pragma once
// A data set whose user says that its values are events: 0 and 1, or numbers of them.

#include <memory>

#include "datasets/dataset.hpp"

namespace spikeloom {

// The same samples; one with a value that is no whole number of the range cannot be read:
// Error(kData) naming sample, place and value.
std::unique_ptr<Dataset> declared_events(std::unique_ptr<Dataset> values, LevelRange range);

}  // namespace spikeloom
