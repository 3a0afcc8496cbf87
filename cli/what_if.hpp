#pragma once
// The [what_if] table of an experiment: the same run with coarser weights, narrow accumulators,
// dead neurons or lost spikes.

#include <memory>
#include <string>
#include <vector>

#include "core/io/config.hpp"
#include "sim/graph/fuse.hpp"
#include "sim/graph/round_weights.hpp"
#include "sim/plan/backend.hpp"

namespace spikeloom {

struct WhatIf {
  int weight_bits = 0;                 // 0: as loaded
  int accumulator_bits = 0;            // 0: as wide as it takes
  std::filesystem::path dead_neurons;  // "": all alive
  bool drops = false;
  double drop_rate = 0;
  uint64_t drop_seed = 0;
};

// Reads the table where there is one. `device`: run.device. Throws Error(kUsage).
WhatIf read_what_if(Config& config, const std::string& device);

// One line for each change, for the report.
std::vector<std::string> describe(const WhatIf& what_if);

// Rounds the weights of the form that runs; returns what its accumulators hold.
AccumulatorLimits round_model(const WhatIf& what_if, Model& model);

// Puts the faults on top of a backend. Throws Error(kUsage) when the network has no neurons,
// Error(kData) when the mask does not fit.
std::shared_ptr<const Backend> with_what_if(const WhatIf& what_if, const Graph& graph,
                                            std::shared_ptr<const Backend> backend);

}  // namespace spikeloom
