#pragma once
// The network of a run as people draw it: what weighs, multiplies or joins, and which spikes go
// from one to the other at which rate. It stands in report.json, so that a page needs no model.
// Thread-safe: pure functions.

#include <nlohmann/json.hpp>
#include <string>
#include <string_view>
#include <vector>

#include "sim/counts/op_counts.hpp"
#include "sim/graph/graph.hpp"

namespace spikeloom {

struct NetworkView {
  // Layers, products and sums, inputs and outputs, in the order they run; what only passes a value
  // on (normalisation, neuron, view) is part of the edge behind it.
  struct Node {
    std::string name, op;
  };
  struct Edge {
    size_t from = 0, to = 0;
    EdgeKind kind = EdgeKind::kReal;  // of the value that arrives
    std::string population;           // whose spikes arrive; "": none of a trace
    double rate = 0;                  // of it
    bool feedback = false;            // arrives one step later
  };
  int64_t parameters = 0;  // trainable values of the network as its authors wrote it
  std::vector<Node> nodes;
  std::vector<Edge> edges;
};

// `counts`: of a run of this graph.
NetworkView view_of(const Graph& graph, const OpCounts& counts);
nlohmann::json to_json(const NetworkView& view);

// The block a module belongs to: its path up to the first number that stands alone
// ("ConvBlock1_1.0" of "ConvBlock1_1.0.Conv.pwconv1"), else up to the first dot.
std::string block_of(std::string_view name);

}  // namespace spikeloom
