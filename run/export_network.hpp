#pragma once
// The network of an experiment, with its weights, as a file that other programs read.

#include <cstddef>
#include <string>
#include <vector>

#include "run/experiment.hpp"

namespace spikeloom {

struct ExportedNetwork {
  std::vector<std::byte> bytes;  // of a NIR file
  size_t nodes = 0, edges = 0;
  std::vector<std::string> notes;  // what its readers have to be told
};

// `v_reset`: fields that readers before NIR 1.0.6 refuse. Networks with batch normalisation are
// taken in their fused form. Throws Error(kUsage) with the names of the layers that NIR cannot say.
ExportedNetwork export_network(const Experiment& experiment, bool v_reset = true);

}  // namespace spikeloom
