#include "sim/graph/last_readers.hpp"

namespace spikeloom {

LastReaders::LastReaders(const Graph& graph) {
  for (const Node& node : graph.nodes()) {
    for (const Parameter& parameter : parameters_of(node.op)) ++waiting_[parameter.name];
  }
}

void LastReaders::done(const Op& op, Weights& weights) {
  for (const Parameter& parameter : parameters_of(op)) {
    if (--waiting_[parameter.name] == 0) weights.erase(parameter.name);
  }
}

}  // namespace spikeloom
