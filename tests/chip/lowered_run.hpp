#pragma once
// Networks lowered to a chip and priced from a trace, as tests of lowering want them.

#include <filesystem>
#include <map>
#include <string>
#include <vector>

#include "hw_model/chip/lower.hpp"
#include "hw_model/chip/replay.hpp"
#include "sim/counts/op_counts.hpp"
#include "sim/trace/recorder.hpp"
#include "tests/unit/trace_fixture.hpp"

namespace spikeloom::lower_test {

using trace_test::Folder;

inline const std::string kGolden = SPIKELOOM_SOURCE_DIR "/tests/golden/";

Graph golden_spikeformer();
Graph golden_lmuformer();

// A trace of a network on golden weights; `frames` by sample, [steps or 1, ...].
void record(const std::filesystem::path& path, const Graph& graph, const Weights& weights,
            const std::vector<Tensor>& frames, int64_t steps);

// A trace of random spikes.
void record_random(const std::filesystem::path& path, const Graph& graph, int64_t steps,
                   double density);

// What a trace gives: the network on a chip, its replay, and the counts of the fused graph.
struct Run {
  LoweredNetwork lowered;
  ReplayResult result;
  OpCounts counts;
  RunStatistics statistics;
};
Run price(const std::filesystem::path& path, const ChipSpec& chip,
          Level level = Level::kBottleneck);

// Synaptic events of spikes by the node whose work they are.
std::map<std::string, int64_t> events_by_layer(const Run& run);

// Why lowering to a preset is refused; "" when it is not.
std::string refusal(const Graph& graph, const std::string& chip);

const ChipPopulation& population_of(const LoweredNetwork& lowered, const std::string& name);

}  // namespace spikeloom::lower_test
