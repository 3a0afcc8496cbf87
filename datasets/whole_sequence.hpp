#pragma once
// Sequences for networks that read them at once: the frames of a sample become the rows of one.

#include <memory>

#include "datasets/dataset.hpp"

namespace spikeloom {

// Samples [frames, channels] of `sequences` as [1, frames, channels]: one frame of `frames` tokens
// (info(): height = frames, width 1). Throws Error(kUsage) for a dataset of images.
std::unique_ptr<Dataset> whole_sequences(std::unique_ptr<Dataset> sequences);

}  // namespace spikeloom
