#pragma once
// A NIR file, read and understood.

#include <filesystem>

#include "nir/wiring.hpp"

namespace spikeloom::nir {

struct File {
  Network network;
  Wiring wiring;
};

// Throws Error(kData) naming the file, in one line, for whatever is no NIR graph that can run.
File load(const std::filesystem::path& path);

}  // namespace spikeloom::nir
