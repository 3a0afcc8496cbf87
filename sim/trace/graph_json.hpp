#pragma once
// The operator graph as JSON text: what a trace file carries so that the chip model needs nothing
// else (formats 2.6).
//
//   {"form": "as_written",
//    "nodes": [{"name", "op": {"kind": "conv2d", <every parameter>}, "inputs": [names], "shape":
//    [..], "edge": "spikes" |
//               "counts" | "real", "static": bool, "weights": n, "zero_weights": n}],
//    "outputs": [{"name", "node"}]}
//
// "weights" and "zero_weights" (biases excluded) stand at weighted nodes, the latter only when
// weights are given. Equal graphs give equal bytes. Throws Error(kData) when a weight array is
// absent. Thread-safe.

#include <string>

#include "sim/graph/graph.hpp"

namespace spikeloom {

std::string graph_to_json(const Graph& graph, const Weights* weights);

// "LIF", "PLIF", "IF".
std::string name_of(NeuronModel model);

}  // namespace spikeloom
