#pragma once
// What follows from a NIR graph alone: an order of running, which values are those of the step
// before, and the shape of every node.

#include "nir/network.hpp"

namespace spikeloom::nir {

// The edges of a cycle that take a step are those that leave a neuron and lead back to it: names and
// order of the file decide nothing.
struct Wiring {
  std::vector<size_t> order;  // every node behind what it reads, but for the edges that take a step
  std::vector<std::vector<bool>> later;  // by node and input: the value of the step before
  std::vector<bool> recurrent;           // by node: reads nothing but values of the step before
  std::vector<Shape> in, out;            // by node, axes as NIR has them: (N), (C, H, W), (C, L)
  std::vector<bool> broadcast;  // by node: parameters of size 1 stand for all of its values
  std::vector<std::string> warnings;
};

// Throws Error(kData) naming the nodes for graphs that cannot run: no way from an input to an
// output, nodes that nothing reaches, cycles without a neuron, shapes that do not fit.
Wiring wire(const Network& network);

}  // namespace spikeloom::nir
