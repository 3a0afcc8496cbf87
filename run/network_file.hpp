#pragma once
// A network that is a file of its own: what is in it, a page about it, and whether it does what was
// recorded of it elsewhere.

#include <filesystem>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <vector>

#include "core/weights.hpp"
#include "run/model_choice.hpp"

namespace spikeloom {

// The family whose networks are such files; nullptr: none.
const Family* family_of_file(const std::filesystem::path& path);

// The network of such a file. `sets`: "model.dt=1e-4", as on the command line. Keys that are needed
// to run it may be missing. Throws Error(kUsage) for what they say, Error(kData) for the file.
ModelChoice choose_file(const Family& family, const std::filesystem::path& path,
                        const std::vector<std::string>& sets);

nlohmann::json to_json(const NetworkFacts& facts);
// One self-contained page: the picture of the network and a row for each node.
std::string network_page(const std::string& name, const NetworkFacts& facts);

// Where a network first does something else than was recorded.
enum class RecordedKind { kSpikes, kMembrane, kOutput };
const char* name_of(RecordedKind kind) noexcept;  // "spikes", "membrane", "output"

struct FirstDifference {
  std::string node;
  RecordedKind what = RecordedKind::kSpikes;
  int64_t step = 0, neuron = 0;
  Shape shape;  // of the node, channels first; `neuron` counts in that order
  double here = 0, recorded = 0;
};
struct ComparedArray {
  std::string node;
  RecordedKind what = RecordedKind::kSpikes;
  int64_t values = 0, differing = 0;
  double largest = 0;  // difference
};
struct RecordingCheck {
  int64_t steps = 0;
  std::vector<ComparedArray> arrays;
  std::vector<std::string> unknown;  // arrays of no node
  std::optional<FirstDifference> first;
};

// Runs the network on "input" [steps, ...] and compares "output", "<node>/z" (spikes) and "<node>/v"
// (membranes, or what neurons that never fire give), all [steps, ...], channels first, under
// `prefix`; in names of nodes '.', '/' and '_' count as the same. Spikes must be equal, other
// values within `margin` of the larger of 1 and the recorded one. Of a step, nodes are compared in
// the order of running. Throws Error(kData) where the arrays do not fit the network.
RecordingCheck check_recording(const ModelChoice& model, const Weights& recorded,
                               const std::string& prefix, double margin = 1e-4);

}  // namespace spikeloom
