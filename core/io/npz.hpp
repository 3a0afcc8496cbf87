#pragma once
// NumPy's .npz archives (formats 3.3): one .npy per named tensor, stored or deflated.

#include <cstddef>
#include <filesystem>
#include <span>
#include <string>
#include <vector>

#include "core/weights.hpp"

namespace spikeloom {

// Tensors under their entry names without ".npy". Arrays of plain numbers that a Tensor cannot hold
// (complex, wide unsigned) are left out and listed in `left_out` as "name (<c8)"; object and
// structured arrays, damaged entries and entries that are no arrays throw Error(kData).
// Thread-safe.
Weights load_npz(const std::filesystem::path& path, std::vector<std::string>* left_out = nullptr);
// `what` starts every error message.
Weights parse_npz(std::span<const std::byte> bytes, const std::string& what,
                  std::vector<std::string>* left_out = nullptr);

}  // namespace spikeloom
