#pragma once
// What a run shows of the inside of a network: values of nodes and membrane potentials, by name. A
// step's values are channels first: [C, H, W] of maps, [C] of vectors.

#include <filesystem>
#include <string>
#include <vector>

#include "sim/plan/session.hpp"

namespace spikeloom {

// One array: the values of a node, or its membrane behind each step, its reset done.
struct WatchedArray {
  NodeId node = -1;
  bool is_membrane = false;
  std::filesystem::path path;
  Shape row;  // of a step
};

// Outputs and nodes called `features` and neurons called `membranes`; files in `dir`. Throws
// Error(kUsage) naming key and name for what is not there or named twice, and for "logits", which
// has a file of its own.
std::vector<WatchedArray> watched_arrays(const Graph& graph,
                                         const std::vector<std::string>& features,
                                         const std::vector<std::string>& membranes,
                                         const std::filesystem::path& dir);
// So that a session can tell them.
void keep_arrays(const Graph& graph, const std::vector<WatchedArray>& arrays, PlanOptions& options);
// Appends an array's values at a step of the last chunk.
void append_step(const Session& session, const WatchedArray& array, int64_t step,
                 std::vector<float>& to);
// "<dir>/<name>.v.npy"
std::filesystem::path membrane_path(const std::filesystem::path& dir, const std::string& name);

}  // namespace spikeloom
