#pragma once
// JPEG and PNG files in folders, with the evaluation transform of ImageNet.

#include <memory>

#include "datasets/dataset.hpp"
#include "datasets/spec.hpp"

namespace spikeloom {

// spec.path: a folder with a sub-folder for each class, or one flat folder; spec.labels: a list
// `name label`, or empty (image_list.hpp). Samples are RGB, float32: decode (image_decode.hpp),
// short side to spec.size, centre crop spec.crop, then (p / 255 - mean) / std in this order; each
// of the three channels has a mean and std.
// Opening lists the names; files are read by load(). The frame is crop x crop; without a crop it is
// that of the first image whose header can be read. load() of a file that is missing, damaged, too
// large is Error(kData) naming it, one of another size Error(kUsage); other samples are not
// affected. Otherwise see open_dataset.
std::unique_ptr<Dataset> open_image_folder(const DatasetSpec& spec);

}  // namespace spikeloom
