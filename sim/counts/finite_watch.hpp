#pragma once
// Looks for values that are not finite inside a network whose weights do not rule them out
// (sim/graph/value_bounds.hpp): a neuron would turn them into spikes or silence that look like any
// other.

#include <string>
#include <vector>

#include "sim/plan/session.hpp"

namespace spikeloom {

class FiniteWatch {
 public:
  // Nodes that a plan must keep: all that hold real values.
  static std::vector<std::string> watched(const Graph& graph);

  // The first node, in order of execution, with a value that is not finite in the last chunk; "":
  // none. Throws Error(kUsage) when the session's plan does not keep what is watched.
  static std::string find(const Session& session);
};

}  // namespace spikeloom
