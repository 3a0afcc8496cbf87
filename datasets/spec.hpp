#pragma once
// What a user writes to name a data set: plain values, checked by open_dataset.

#include <cstdint>
#include <filesystem>
#include <string>
#include <vector>

namespace spikeloom {

struct DatasetSpec {
  std::string kind;               // one of dataset_kinds()
  std::filesystem::path path;     // images: a file, for cifar10 also a folder
  std::filesystem::path labels;   // idx, npy: the file of labels, or empty
  int64_t limit = -1;             // at most this many samples; -1: all
  int64_t skip = 0;               // samples left out at the start
  int64_t pad = 0;                // idx, cifar10: zeros around the raw image, pixels on each side
  int64_t classes = 0;            // labels are 0..classes-1; 0: the kind's own number
  std::vector<double> mean, std;  // one value or one per channel; empty: 0 and 1
  std::string split;              // cifar10 folder: "train" or "test"
};

}  // namespace spikeloom
