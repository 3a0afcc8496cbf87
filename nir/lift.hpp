#pragma once
// An operator graph as a NIR graph: the way back of nir/lower.hpp.

#include <map>
#include <string>
#include <variant>
#include <vector>

#include "core/weights.hpp"
#include "nir/network.hpp"
#include "sim/graph/graph.hpp"

namespace spikeloom::nir {

// What NIR has no field for and stands in the graph's metadata, where it means nothing to others.
using Metadata = std::map<std::string, std::variant<double, std::string>>;

struct Lifted {
  Network network;
  Metadata metadata;               // dt, and the conventions of the neurons (nir/choices.hpp)
  std::vector<std::string> notes;  // what readers of the file have to be told, and what changed
};

// The step, s, that networks get whose own is no time: their time constants are counted in steps.
constexpr double kUsualStep = 1e-4;

// Convolutions, matrices, pools, scalings, thresholds, delays and the neurons of NIR; a value of the
// step before has to be that of a neuron, on its way back to it. Sums become edges; what reads out
// the steps is left out. Neurons whose input is not weighed by dt/tau get r = tau/dt.
// `in_steps`: time constants and delays count steps, of kUsualStep then; otherwise they are as in
// NIR, of the unit of dt. Throws Error(kUsage) with the names of all layers that NIR cannot say.
Lifted lift(const Graph& graph, const Weights& weights, bool in_steps);

}  // namespace spikeloom::nir
