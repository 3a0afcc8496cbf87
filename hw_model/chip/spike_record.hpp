#pragma once
// Spikes of a network that another program ran, in memory: what a chip replays where there is no
// trace. Plain values.

#include <cstdint>
#include <filesystem>
#include <map>
#include <string>
#include <vector>

#include "core/weights.hpp"
#include "hw_model/chip/lower.hpp"
#include "hw_model/chip/spikes.hpp"
#include "sim/graph/graph.hpp"

namespace spikeloom {

struct SpikeRecord {
  struct Event {
    uint32_t neuron = 0;  // channels last, as in the graph
    int32_t level = 1;    // of spikes 1
  };
  struct Population {
    std::vector<int64_t> first = {0};  // steps + 1, into events
    std::vector<Event> events;         // of a step: neurons ascending, each once, no level 0
  };
  std::filesystem::path path;
  std::vector<int64_t> sample_steps;              // the samples follow one another
  std::map<std::string, Population> populations;  // by node of the graph

  int64_t steps() const;
};

// Adds the populations that follow from recorded ones: pools and sums of spikes, delayed ones, those
// of the step before. `weights`: the graph's, of which delays of elements are read; those that are
// not there are not added.
void derive_populations(const Graph& graph, const Weights& weights, SpikeRecord& record);

// As a run's (docs/trace.md); "" where a population of the graph is missing.
std::string signature_of(const Graph& graph, const SpikeRecord& record);

// Of the populations that `lowered` wants from a recording, those it lacks.
std::vector<std::string> missing_populations(const LoweredNetwork& lowered,
                                             const SpikeRecord& record);

// Spikes of the first `samples` samples; missing populations are silent. Throws Error(kUsage) when
// there are fewer samples, Error(kCapacity) as add_packets().
ChipSpikes spikes_of(const LoweredNetwork& lowered, const SpikeRecord& record, int64_t samples);

}  // namespace spikeloom
