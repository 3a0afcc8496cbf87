#pragma once
// What a run writes into its trace, of every family.

#include <string>

#include "core/weights.hpp"
#include "run/experiment.hpp"
#include "sim/trace/recorder.hpp"

namespace spikeloom {

// As [trace] and [output] of the experiment say. `weights` are those of the graph, `weights_sha256`
// those of the file, `steps` a sample's (0: unknown).
RecorderOptions recorder_options(const Experiment& experiment, const Graph& graph,
                                 const Weights& weights, const std::string& config_json,
                                 const std::string& weights_sha256, int64_t steps);

}  // namespace spikeloom
