#pragma once
// The samples of a data set as a network reads them, for training elsewhere on the same numbers.

#include <filesystem>
#include <string>
#include <vector>

#include "run/experiment.hpp"
#include "run/observer.hpp"

namespace spikeloom {

struct ExportedFeatures {
  std::string description;  // of the data set
  int64_t written = 0, size = 0;
  Shape shape;                        // of a sample as it is written
  std::vector<std::string> left_out;  // samples that cannot be read, a line each
};

// Writes into `folder`, made when missing, for the sequences of the experiment's data set:
// features.npy, float32 [samples, steps, channels], or for recordings of two dimensions frames.npy,
// float32 [samples, steps, channels, height, width]; labels.npy, int64 [samples], -1 without labels;
// names.txt, a line each: the name of the sample's file, or its number where samples are no files.
// Sounds that cannot be read are left out of all three. Throws Error(kUsage) for images and tokens,
// Error(kData) where nothing can be read, Error(kRuntime) when a file cannot be written,
// Error(kInterrupted) when it is cancelled.
ExportedFeatures export_features(const Experiment& experiment, const std::filesystem::path& folder,
                                 const Observer& observer = {}, const CancelToken& cancel = {});

}  // namespace spikeloom
