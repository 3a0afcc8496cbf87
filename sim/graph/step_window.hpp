#pragma once
// What the windows of operators over steps cost in delay and in past steps kept.

#include <vector>

#include "sim/graph/graph.hpp"

namespace spikeloom {

// For every node, how many steps of the network's input must have arrived after step t before step
// t of the node can be computed: the largest delay of its inputs plus its own look-ahead.
std::vector<int64_t> delays_of(const Graph& graph);

// The largest of them: steps by which the network's outputs lie behind its input.
int64_t look_ahead_of(const Graph& graph);

// For every node, the past steps that must be kept of its value: for windows, for readers that lag
// behind, and `aligned` nodes for the whole look-ahead of the network. 0 for values inside a View
// chain, whose source keeps them.
std::vector<int64_t> histories_of(const Graph& graph, const std::vector<int64_t>& delays,
                                  const std::vector<bool>& aligned);

}  // namespace spikeloom
