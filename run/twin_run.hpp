#pragma once
// Executes the dense twin of a network on the samples that the network ran on.

#include "run/run_network.hpp"

namespace spikeloom {

// What executing the twin takes.
MemoryPlan twin_memory(const Experiment& experiment, const Source& source, int64_t dense_steps,
                       const Graph& twin);

// Identity of the arrays the twin reads, whatever else its file holds; "": no weights.
std::string twin_hash_of(const Experiment& experiment, const std::optional<Graph>& twin);

// Counts of a twin before its first sample.
void start_twin(const RunSetup& setup, RunState& state);

// Executes the dense twin where weights exist, from state.twin_done on, as far as the network came.
TwinInfo run_twin(const RunSetup& setup, RunState& state);

}  // namespace spikeloom
