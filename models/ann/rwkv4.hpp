#pragma once
// RWKV-4 of a SpikeGPT's shape: the same tensors, neurons replaced by identities, embedding real,
// nothing rescaled. Source: Peng et al., "RWKV: Reinventing RNNs for the Transformer Era", EMNLP
// 2023. Node, tensor and output names are those of build_spikegpt().

#include "models/spikegpt/spikegpt.hpp"

namespace spikeloom {

// Throws Error(kUsage) for impossible dimensions. Neuron parameters, binary_embedding and
// rescale_every are not looked at.
Graph build_rwkv4(const SpikeGptConfig& config);

// The two steps of it, for networks that end in another head: the dimensions without what only
// spikes need, and a graph of such whose neurons are identities.
SpikeGptConfig rwkv4_of(SpikeGptConfig config);
Graph without_neurons(const Graph& spiking);

// Its row of the table of families.
Family rwkv4_family();

}  // namespace spikeloom
