#pragma once
// A data set whose user says that its values are events: 0 and 1.

#include <memory>
#include <span>

#include "datasets/dataset.hpp"

namespace spikeloom {

// The same samples; one with another value cannot be read: Error(kData) naming sample, place and
// value.
std::unique_ptr<Dataset> declared_events(std::unique_ptr<Dataset> values);

// All of these are 0 or 1.
bool all_binary(std::span<const float> values) noexcept;

}  // namespace spikeloom
