#pragma once
// NumPy's .npz archives: one .npy per named tensor, stored or deflated.

#include <cstddef>
#include <filesystem>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "core/io/weights_file.hpp"
#include "core/io/zip_archive.hpp"
#include "core/weights.hpp"

namespace spikeloom {

// What an archive holds; its names end in ".npy".
WeightsFile open_npz(const std::shared_ptr<const ZipArchive>& archive);

// Tensors under their entry names without ".npy". Arrays of plain numbers that a Tensor cannot hold
// (complex, wide unsigned) are left out and listed in `left_out` as "name (<c8)"; object and
// structured arrays, damaged entries and entries that are no arrays throw Error(kData).
// Thread-safe.
Weights load_npz(const std::filesystem::path& path, std::vector<std::string>* left_out = nullptr);
// `what` starts every error message.
Weights parse_npz(std::span<const std::byte> bytes, const std::string& what,
                  std::vector<std::string>* left_out = nullptr);

}  // namespace spikeloom
