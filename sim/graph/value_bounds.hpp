#pragma once
// How large the values of a network can become, whatever it reads: a proof, before anything runs,
// that no sum leaves the range of fp32. Where it holds, no run has to look at its values.
//
// A bound holds for the value of a node and for every partial sum on the way to it, of one sample
// of at most so many steps: layers multiply the bound of their input by the largest sum of weight
// magnitudes of an output, spikes are at most 1.

#include <vector>

#include "core/weights.hpp"
#include "sim/graph/graph.hpp"

namespace spikeloom {

// The `gain` rule of every node. Throws Error(kData) naming node and array where a weight, or the
// scale of a batch normalisation computed from it, is no finite fp32 number. `weights` are fp32. Nodes
// are looked at by so many threads.
std::vector<ValueGain> value_gains(const Graph& graph, const Weights& weights, int threads = 1);

// Bounds by node for an input of at most `input` in magnitude; infinity where there is none.
std::vector<double> value_bounds(const Graph& graph, const std::vector<ValueGain>& gains,
                                 double input, int64_t steps);

// The largest power of ten up to 10^30 such that no input of that magnitude takes a value of the
// network out of fp32; 0: none down to 1.
double safe_input(const Graph& graph, const std::vector<ValueGain>& gains, int64_t steps);

// Whether some operator can hide a value that is not finite from what follows it (a neuron that
// fires or does not), so that the network's outputs do not show it.
bool hides_values(const Graph& graph);

}  // namespace spikeloom
