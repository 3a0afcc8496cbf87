#pragma once
// Which neurons die with the cores that hold them.

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "core/spike_tensor.hpp"
#include "hw_model/chip/lower.hpp"
#include "hw_model/chip/mapping.hpp"

namespace spikeloom {

struct DeadNeurons {
  std::map<std::string, SpikeTensor> dead;  // by layer of neurons; only those that lose some
  int64_t count = 0, neurons = 0;           // dead ones, all of the network
  // What else these cores hold and cannot die as a neuron does: values, thresholds, logits.
  std::vector<std::string> others;
};

// Throws Error(kUsage) for a core the chip does not have, and as cores_of_neurons() does.
DeadNeurons dead_neurons(const LoweredNetwork& lowered, const ChipSpec& chip,
                         const Mapping& mapping, const std::vector<int64_t>& cores);

}  // namespace spikeloom
