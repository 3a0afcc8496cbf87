#pragma once
// The reports of a run made of spikes that were recorded before, here or by another program: nothing
// is run. What `spikeloom count` does, as one function.

#include <optional>
#include <string>

#include "run/chip_recording.hpp"
#include "run/run.hpp"

namespace spikeloom {

struct RecordingCount {
  std::filesystem::path trace;              // carries its network; "": `recording` stands for it
  std::optional<RecordingFiles> recording;  // a network and its spikes
  std::filesystem::path out;                // "": where the trace lies
  std::optional<ChipChoice> chip;           // prices the spikes, too
  bool weights_trained = false;             // stated by the user
  std::string weights_text;                 // how they were trained
  int threads = 1;                          // of the chip
  Observer observer;
  CancelToken cancel;
};

// Counts and prices as run_experiment() does with spikes of its own, and writes the same files but
// logits; of a network and its spikes trace.h5 too. What has no operator (RecordedOp) is named among
// the warnings, with its share of the products. Throws Error(kData) where spikes of a population
// are missing or are a selection, Error(kUsage) for what cannot be counted so: networks of tokens,
// the fused form, samples of different lengths.
RunResult count_recording(const RecordingCount& job);

// What a network has without an operator: a line for each product, one for everything else.
std::vector<std::string> unnamed_work(const Graph& graph, const OpCounts& counts);

}  // namespace spikeloom
