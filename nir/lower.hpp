#pragma once
// A NIR graph as an operator graph with its weights.

#include <optional>
#include <string>
#include <vector>

#include "core/levels.hpp"
#include "core/weights.hpp"
#include "nir/choices.hpp"
#include "nir/wiring.hpp"
#include "sim/graph/graph.hpp"

namespace spikeloom::nir {

// What a step of a sample is.
struct Frames {
  Shape shape;                         // channels last; empty: as the file says
  bool repeated = false;               // one for all steps
  std::optional<LevelRange> events{};  // whole numbers of events: 0 and 1 spikes, more levels
};

struct Lowered {
  Graph graph;
  Weights weights;
  std::vector<std::string> notes;  // what was decided where the file is open, and what is odd in it
};

// Nodes keep their names, arrays are "<node>.<field>". Values are channels last. Sums of several
// edges, values of the step before and spikes taken as numbers are nodes of their own behind those
// they come from ("<node>.sum", ".before", ".value").
//
//   output      "logits" is the readout of the one Output (of several the first in byte order), as
//               the node "logits"; every other Output's is under the Output's name
//   recurrence  Feedback over the spikes of the neuron. Where layers that only read such spikes have
//               a bias and start with zero, over the value that leaves them, so that the bias is
//               missing in the first step
//   frames      images of as many values as a vector input has are flattened as PyTorch does (C, H, W)
//
// Throws Error(kData) naming the node for what a network cannot have, Error(kUsage) for frames or
// choices that do not fit the file.
Lowered lower(const Network& network, const Wiring& wiring, const Choices& choices,
              const Frames& frames);

// What stands behind an output for its readout; nothing for the value of the last step.
std::optional<StepMean> reader_of(Readout readout);

// The operator's neuron of a node, without its arrays' names where `weights` is nullptr.
NeuronSpec neuron_of(const Node& node, const Shape& shape, const Choices& choices,
                     Weights* weights);
// Whether a step of an integrator adds its input as it is.
bool adds_unit(const Node& node, const Choices& choices);

}  // namespace spikeloom::nir
