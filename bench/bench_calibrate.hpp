#pragma once
// Firing rates to order: thresholds at which every population of a network with any weights fires
// at a chosen rate on a given input.

#include <map>
#include <string>

#include "core/tensor.hpp"
#include "core/weights.hpp"
#include "sim/graph/graph.hpp"

namespace spikeloom {

using Thresholds = std::map<std::string, float>;  // by node name

// Runs one sample of `steps` steps layer by layer. When it comes to a population, all its input
// currents are known: its threshold is found by bisection with the neuron's own equation (on at
// most kCalibrated of its neurons), and its spikes at that threshold go on to the next layer.
// `frames` as Session::run_chunk takes them. Rates of populations with few neurons or with whole
// numbers for currents come out as near as thresholds allow.
Thresholds calibrate(const Graph& graph, const Weights& weights, const Tensor& frames,
                     int64_t steps, double rate);
constexpr int64_t kCalibrated = 1 << 16;

// The same network with these thresholds; nodes that are not named keep theirs.
Graph with_thresholds(const Graph& graph, const Thresholds& thresholds);

}  // namespace spikeloom
