#pragma once
// NumPy's .npz archives out: a stored .npy for each array, as numpy.savez writes them.

#include <cstddef>
#include <filesystem>
#include <span>
#include <string>
#include <vector>

#include "core/shape.hpp"

namespace spikeloom {

// An array in C order, little-endian; the bytes are someone else's.
struct NpzArray {
  std::string name;   // without ".npy"
  std::string descr;  // "<i8"
  Shape shape;
  std::span<const std::byte> bytes;
};

// Under its final name when it is whole. Throws Error(kRuntime) when it cannot be written,
// Error(kCapacity) for 4 GiB and more.
void save_npz(const std::filesystem::path& path, const std::vector<NpzArray>& arrays);

}  // namespace spikeloom
