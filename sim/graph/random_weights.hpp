#pragma once
// Untrained weights for timing and for comparing backends: accuracy and firing rates mean nothing.

#include "core/weights.hpp"
#include "sim/graph/graph.hpp"

namespace spikeloom {

// Every array of the graph, fp32, a function of the seed and the array's name alone. Weights are
// uniform with variance 5 / fan-in (inputs firing at 20 % then give sums of variance 1); batch
// normalisation is near the identity with offsets in [-0.1, 0.5], which makes the neurons fire.
Weights random_weights(const Graph& graph, uint64_t seed);

}  // namespace spikeloom
