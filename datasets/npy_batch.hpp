#pragma once
// Batches saved by NumPy: the bridge from any Python pipeline.

#include <memory>

#include "datasets/dataset.hpp"
#include "datasets/spec.hpp"

namespace spikeloom {

// spec.path: a .npy array [N,C,H,W] (static images), [N,T,C,H,W] (one frame a step) or [N,T,C]
// (sequences of vectors) of real or integer numbers, used as they are; mean and std apply only when
// given. spec.labels: a .npy vector of N integers, or empty; without spec.classes there are max + 1
// classes. Samples are read from the file as they run, those of a Fortran array when it is opened.
// Arrays in
// memory (spec.values, spec.label_values) are as their files would be. A value that is not finite in fp32 is Error(kData) from load(). Otherwise see
// open_dataset.
std::unique_ptr<Dataset> open_npy_batch(const DatasetSpec& spec);

}  // namespace spikeloom
