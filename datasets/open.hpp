#pragma once
// Opens a data set by the name of its kind.

#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "datasets/dataset.hpp"
#include "datasets/spec.hpp"

namespace spikeloom {

struct DatasetKind {
  std::string_view name;
  std::string_view summary;  // one line for `spikeloom list`
  std::unique_ptr<Dataset> (*open)(const DatasetSpec&);
};

// All kinds, in the order of their names.
std::span<const DatasetKind> dataset_kinds() noexcept;

// Reads the files into memory and checks them; image_folder only lists them. Error(kUsage): unknown
// kind (with the list), an option that does not fit the kind, a value out of range. Error(kData): a
// missing or damaged file, no samples, a label out of range (with its index).
std::unique_ptr<Dataset> open_dataset(const DatasetSpec& spec);

}  // namespace spikeloom
