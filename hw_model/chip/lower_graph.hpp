#pragma once
// What lowering asks of a graph. Internal to lowering.hpp.

#include <cstdint>
#include <vector>

#include "sim/graph/graph.hpp"

namespace spikeloom {

// The value behind what costs nothing, given its input.
NodeId behind_free(const Graph& graph, NodeId id);

// Height and width of a value; {1, 1} without any.
struct Extent {
  int64_t height = 1, width = 1;
};

// Of every value; tokens keep those of the map they come from.
std::vector<Extent> extents_of(const Graph& graph);

// A graph out of a file may have names that merged layers need: Error(kData).
Graph fused_form(const Graph& graph);

}  // namespace spikeloom
