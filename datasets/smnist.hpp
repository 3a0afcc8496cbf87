#pragma once
// Images pixel by pixel: sequential and permuted MNIST.

#include <memory>

#include "datasets/dataset.hpp"
#include "datasets/spec.hpp"

namespace spikeloom {

// spec.path and spec.labels as for idx; a sample is [height * width, 1], pixels / 255 in rows from
// the top. spec.permutation: a .npy vector of integers, step s shows pixel permutation[s]; every
// pixel must occur once. The order the LMUFormer authors drew was never published: it has to come
// with the weights. Otherwise see open_dataset.
std::unique_ptr<Dataset> open_sequential_mnist(const DatasetSpec& spec);

}  // namespace spikeloom
