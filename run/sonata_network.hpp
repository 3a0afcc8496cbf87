#pragma once
// Networks as SONATA keeps them: populations of nodes, edges between them one by one. What a chip
// needs of them: who is connected to whom, and how late spikes may come.

#include <filesystem>
#include <map>
#include <nlohmann/json_fwd.hpp>
#include <string>
#include <vector>

#include "hw_model/chip/projection.hpp"
#include "sim/graph/graph.hpp"

namespace spikeloom {

// Populations that edges end at are LIF neurons, all others inputs; every population of edges is a
// matrix under its name, whose connections stand in `synapses`. All of them take a step, and those
// with delays as many as their longest.
struct SonataNetwork {
  Graph graph;
  std::map<std::string, SparseSynapses> synapses;  // by node of the graph
  std::vector<std::string> notes;                  // what is not priced
  double dt = 0;                             // s, of a simulation's configuration; 0: not told
  std::vector<std::filesystem::path> files;  // that a configuration names
};

// Whether JSON is a configuration of a circuit or a simulation, not a graph.
bool is_sonata(const nlohmann::json& json);

// `dt`: of a step, s, for delays; 0: as the configuration says. Throws Error(kData) naming file and
// population, Error(kUsage) where edges have delays and no step is known.
SonataNetwork read_sonata_config(const std::filesystem::path& path, double dt);
SonataNetwork read_sonata_files(const std::vector<std::filesystem::path>& files, double dt);

}  // namespace spikeloom
