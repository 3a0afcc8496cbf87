#pragma once
// The [what_if] table of an experiment: the same run with coarser weights, narrow accumulators,
// dead neurons or lost spikes.

#include <memory>
#include <string>
#include <vector>

#include "core/io/config.hpp"
#include "hw_model/chip/dead_cores.hpp"
#include "run/chip_choice.hpp"
#include "run/device.hpp"
#include "run/model_choice.hpp"
#include "sim/graph/fuse.hpp"
#include "sim/graph/round_weights.hpp"
#include "sim/plan/backend.hpp"

namespace spikeloom {

struct WhatIf {
  int weight_bits = 0;                 // 0: as loaded
  int accumulator_bits = 0;            // 0: as wide as it takes
  std::filesystem::path dead_neurons;  // "": all alive
  std::vector<int64_t> dead_cores;     // of the chip that `mapping` is for
  std::filesystem::path mapping;
  bool drops = false;
  double drop_rate = 0;
  uint64_t drop_seed = 0;
};

// Reads the table where there is one. `device`: run.device. Throws Error(kUsage).
WhatIf read_what_if(Config& config, const Device& device);

// The neurons on what_if.dead_cores: of the chip of the run where it has one, else of the preset
// the mapping names; `error_at` makes errors of keys. Throws Error(kUsage), Error(kData) for what is wrong with cores, mapping and
// chip.
DeadNeurons find_dead_neurons(const WhatIf& what_if, const std::optional<ChipChoice>& chip,
                              const Graph& graph, const ErrorAt& error_at);

// One line for each change, for the report.
std::vector<std::string> describe(const WhatIf& what_if, const DeadNeurons& dead);

// Rounds the weights of the form that runs; returns what its accumulators hold.
AccumulatorLimits round_model(const WhatIf& what_if, Model& model);

// Puts the faults on top of a backend; `dead` die beside those of the mask. Throws Error(kUsage)
// when the network has no neurons, Error(kData) when the mask does not fit.
std::shared_ptr<const Backend> with_what_if(const WhatIf& what_if, const DeadNeurons& dead,
                                            const Graph& graph,
                                            std::shared_ptr<const Backend> backend);

}  // namespace spikeloom
