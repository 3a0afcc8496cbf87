#pragma once
// Executes an experiment: the spiking network with all its outputs, then the dense twin; both can
// continue where an earlier process stopped.

#include <optional>
#include <string>
#include <vector>

#include "run/checkpoint.hpp"
#include "run/chip_live.hpp"
#include "run/experiment.hpp"
#include "run/network.hpp"
#include "run/source.hpp"

namespace spikeloom {

// Everything that runs need to know.
struct RunSetup {
  const Experiment& experiment;
  const Source& source;
  std::shared_ptr<const Backend> backend;  // of run.device; made once, for it may be measured
  Observer observer;
  CancelToken cancel;
  int64_t dense_steps = 1;  // of one pass of a dense network over a sample of fixed length
  std::optional<Graph> twin;
  std::string config_json;
  RunIdentity identity;
  LiveChip* chip = nullptr;            // sees the spikes too
  const FolderLock* folder = nullptr;  // of the outputs
};

// What a user must know about the values of a run, one line each: answers that are no numbers,
// events that nobody declared.
std::vector<std::string> value_notes(const RunState& state, const Source& source);

// Runs the spiking network over the samples and writes trace, logits and features. `state` says
// what an earlier process did (nothing: RunState{}) and receives the result. Afterwards the
// weights of `network` are gone. Stops early when it is cancelled, see run_samples.
void run_network(const RunSetup& setup, Network& network, RunState& state);

// Sets what the precision of the run makes of the weights, where another process ran the network.
void note_precision(const RunSetup& setup, Network& network);

// "accuracy 98.4 %, 2 broken"
std::string progress_note(const Accuracy& accuracy, size_t broken);

}  // namespace spikeloom
