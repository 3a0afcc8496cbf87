#pragma once
// The dense network a spiking transformer replaces: same topology, widths, kernels and tensor
// names, one pass instead of T steps. ReLU stands for every layer of neurons, except around
// attention: the neurons of Q, K, V and of the attention's output become identities and attention
// is ordinary, softmax(Q K^T / sqrt(d)) V on real values. Source of the design both descend from:
// Yu et al., "MetaFormer baselines for vision", TPAMI 2024; here with ReLU.

#include <optional>

#include "models/model_spec.hpp"
#include "sim/graph/graph.hpp"

namespace spikeloom {

// Every node of `spiking` that stays keeps its name; outputs keep theirs. `spiking` must be
// as_written.
Graph dense_twin(const Graph& spiking);

// The same where one pass can stand for all steps: samples are one frame, and nothing but neurons
// looks across steps.
std::optional<Graph> dense_twin_of_still(const Graph& spiking, const DataShape& data);

}  // namespace spikeloom
