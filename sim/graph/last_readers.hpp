#pragma once
// Lets go of arrays once nobody is left to read them, so that weights and what is made of them are
// not in memory side by side.

#include <functional>
#include <map>
#include <string>

#include "core/weights.hpp"
#include "sim/graph/graph.hpp"

namespace spikeloom {

class LastReaders {
 public:
  explicit LastReaders(const Graph& graph);
  // A node of the graph has read its arrays: those that no other node waits for leave `weights`.
  // To be called once for each node.
  void done(const Op& op, Weights& weights);

 private:
  std::map<std::string, int, std::less<>> waiting_;
};

}  // namespace spikeloom
