#pragma once
// Executes an experiment: the spiking network with all its outputs, then the dense twin; both can
// continue where an earlier process stopped.

#include <string>
#include <vector>

#include "cli/checkpoint.hpp"
#include "cli/chip_live.hpp"
#include "cli/experiment.hpp"
#include "cli/network.hpp"
#include "datasets/watched.hpp"

namespace spikeloom {

// Everything that runs need to know.
struct RunSetup {
  const Experiment& experiment;
  WatchedDataset& dataset;
  int64_t steps = 1;        // per sample
  int64_t dense_steps = 1;  // of one pass of a dense network over a sample
  std::string config_json;
  RunIdentity identity;
  bool quiet = false;
  LiveChip* chip = nullptr;            // sees the spikes too
  const FolderLock* folder = nullptr;  // of the outputs
};

// What a user must know about the values of a run, one line each: samples without an answer, events
// that nobody declared.
std::vector<std::string> value_notes(const RunState& state, const DatasetInfo& data);

// Runs the spiking network over the dataset and writes trace, logits and features. `state` says
// what an earlier process did (nothing: RunState{}) and receives the result. Afterwards the
// weights of `network` are gone. Stops early after Ctrl-C, see run_samples.
void run_network(const RunSetup& setup, Network& network, RunState& state);

// What executing the twin takes.
MemoryPlan twin_memory(const RunSetup& setup, const Graph& twin);

// Sets what the precision of the run makes of the weights, where another process ran the network.
void note_precision(const RunSetup& setup, Network& network);

// Executes the dense twin where weights exist, from state.twin_done on.
TwinInfo run_twin(const RunSetup& setup, const Graph& twin, RunState& state);

}  // namespace spikeloom
