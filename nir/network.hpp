#pragma once
// A NIR graph as plain values: nested graphs flattened, duplicate edges dropped.

#include <string>
#include <vector>

#include "nir/content.hpp"
#include "nir/nodes.hpp"

namespace spikeloom::nir {

struct Network {
  std::string version;      // of the writer, "": not told
  double stated_dt = 0;     // in the graph's metadata, s; 0: none. It decides nothing
  std::vector<Node> nodes;  // in byte order of their names
  // By node: those whose values it reads, in the order of the edges; their sum arrives.
  std::vector<std::vector<size_t>> inputs;
  std::vector<std::string> warnings;
};

// Throws Error(kData) with node and field for what is no NIR graph.
Network parse(const Content& content);

}  // namespace spikeloom::nir
