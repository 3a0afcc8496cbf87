#pragma once
// The samples of a data set as a network reads them, for training elsewhere on the same numbers.

#include <filesystem>

#include "cli/experiment.hpp"

namespace spikeloom {

// Writes into `folder`, made when missing, for the sequences of the experiment's data set:
// features.npy, float32 [samples, steps, channels]; labels.npy, int64 [samples], -1 without labels;
// names.txt, a line each: the name of the sample's file, or its number where samples are no files.
// Sounds that cannot be read are left out of all three, and named on standard error. Throws
// Error(kUsage) for images and token experiments, Error(kData) where nothing can be read,
// Error(kRuntime) when a file cannot be written, Error(kInterrupted) after Ctrl-C.
void export_features(const Experiment& experiment, const std::filesystem::path& folder);

}  // namespace spikeloom
