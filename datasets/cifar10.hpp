#pragma once
// CIFAR-10, binary version: records of a label byte and 3 planes of 32 x 32.

#include <memory>

#include "datasets/dataset.hpp"
#include "datasets/spec.hpp"

namespace spikeloom {

// spec.path: one .bin file; or a folder and spec.split: "train" = data_batch_1.bin ..
// data_batch_5.bin in this order, "test" = test_batch.bin. Throws Error(kData, kUsage), see
// open_dataset.
std::unique_ptr<Dataset> open_cifar10(const DatasetSpec& spec);

}  // namespace spikeloom
