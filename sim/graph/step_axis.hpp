#pragma once
// What the steps of a sample are to a network.

#include "sim/graph/graph.hpp"

namespace spikeloom {

// Each step is an element of a sequence of vectors or tokens, with an answer of its own, so that a
// dense network takes as many steps. Otherwise they show one image again and again, or the frames
// of one recording.
bool steps_are_positions(const Graph& graph);

}  // namespace spikeloom
