#pragma once
// The operator graph as JSON text: what a trace file carries so that the chip model needs nothing
// else (docs/trace.md).
//
//   {"form": "as_written",
//    "nodes": [{"name", "op": {"kind": "conv2d", <every parameter>}, "inputs": [names],
//               "shape": [..], "edge": "spikes" | "counts" | "real", "static": bool,
//               "weights": n, "zero_weights": n, "feedback": name}],
//    "outputs": [{"name", "node"}]}
//
// "feedback": of a feedback, the node it shows.
// "weights" and "zero_weights" (biases excluded) stand at weighted nodes, the latter only when
// weights are given. Equal graphs give equal bytes. Thread-safe.

#include <string>
#include <string_view>

#include "sim/graph/graph.hpp"

namespace spikeloom {

// Throws Error(kData) when a weight array is absent.
std::string graph_to_json(const Graph& graph, const Weights* weights);

// The graph of such a text, which is untrusted: what does not hold is Error(kData) naming `name`,
// node and field. Shapes, edges and counts of weights must be those that follow. The prefix of a
// Legendre memory, which names stored copies nothing reads, is not carried.
Graph graph_from_json(std::string_view text, const std::string& name);

}  // namespace spikeloom
