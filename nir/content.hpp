#pragma once
// What an HDF5 file holds below /node, as plain values, read by a confined process
// (core/io/hdf5/foreign_file.hpp): what follows never sees HDF5.

#include <filesystem>
#include <map>
#include <string>
#include <variant>
#include <vector>

#include "core/tensor.hpp"

namespace spikeloom::nir {

// Of a dataset: numbers (fp32 as such, all others as fp64), texts, or what is neither.
struct Item {
  bool is_group = false;
  Shape shape;
  std::variant<std::monostate, Tensor, std::vector<std::string>> values;
};

// By path: "/node/nodes/lif/tau". In it are "/node" and all below it but most of its metadata, and
// "/version".
using Content = std::map<std::string, Item>;

// Throws Error(kData) for what cannot be read, is too large for what the file stores, or leads out
// of it; the caller adds the file's name.
Content read_content(const std::filesystem::path& path);

// Whether a file is meant to be NIR: its name ends in .nir, or it is HDF5 with a group /node.
bool may_be_nir(const std::filesystem::path& path);

}  // namespace spikeloom::nir
