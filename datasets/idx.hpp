#pragma once
// IDX files (MNIST and its relatives): big-endian header, plain or gzip.

#include <memory>

#include "datasets/dataset.hpp"
#include "datasets/spec.hpp"

namespace spikeloom {

// spec.path: unsigned bytes of rank 3 [N,H,W]; spec.labels: unsigned bytes of rank 1 [N], or empty.
// Without spec.classes labels must be 0..9. Throws Error(kData, kUsage), see open_dataset.
std::unique_ptr<Dataset> open_idx(const DatasetSpec& spec);

}  // namespace spikeloom
