#pragma once
// Weights of few bits and accumulators of few bits, in fp32: what would a chip's integers lose?
//
// Rounding, per output channel, symmetric: step = max|w| / (2^(bits-1) - 1), w' = step * round(w /
// step), ties to even, in double, rounded to fp32 once; bits = 1: step = mean|w|, w' = +step for w
// >= 0, -step below. Up to 16 bits, a layer that lies on one such grid for all channels already stays
// as it is. An accumulator of n bits holds at most 2^(n-1) - 1 such steps.
// Thread-safe: pure functions.

#include <map>
#include <string>
#include <vector>

#include "core/weights.hpp"
#include "sim/graph/graph.hpp"

namespace spikeloom {

struct RoundedWeights {
  Weights weights;                                 // all arrays, those of layers rounded
  std::map<std::string, std::vector<float>> step;  // by array, per output channel
};

// The arrays of Conv2d, Linear and Conv1d; biases, normalisation and tables stay. `bits` 1..32.
RoundedWeights round_weights(const Graph& graph, const Weights& weights, int bits);

// Largest magnitude a node's accumulators hold, per output channel or one for all. Layers that read
// spikes, whose sums are whole steps, and both attention products, which add integers; other nodes
// have none.
using AccumulatorLimits = std::map<NodeId, std::vector<float>>;
AccumulatorLimits accumulator_limits(const Graph& graph, const RoundedWeights& rounded, int bits);

}  // namespace spikeloom
