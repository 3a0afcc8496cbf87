#pragma once
// SpikeGPT: Zhu et al., "SpikeGPT: Generative Pre-trained Language Model with Spiking Neural
// Networks", TMLR 2024. RWKV-4 whose time mix and channel mix end in LIF neurons; their spikes are
// added to a real residual stream. One token is one step; membranes, token shifts and WKV sums are
// carried from token to token (seven vectors per layer).
//
// Tensor names are those of the official checkpoints, so they load unchanged; node names are the
// module paths. Input: token ids [steps, 1]; output "logits" [vocabulary]. Populations:
// "blocks.<i>.lif1", "blocks.<i>.lif2", in binary models "emb.spikes", and the masks
// "blocks.<i>.ffn.nonzero" of what relu^2 left above zero (no neurons: they tell counters which
// products need not be made).
//
// Every matrix reads real numbers: no product of this network is driven by spikes alone.

#include <cstdint>
#include <optional>
#include <string_view>
#include <vector>

#include "core/weights.hpp"
#include "sim/graph/graph.hpp"

namespace spikeloom {

struct Family;
struct ModelKey;

struct SpikeGptConfig {
  int64_t layers = 12, width = 512, vocabulary = 256;
  // Embedding rows become spikes (>= 0 fires). The training program always does so, the published
  // run-time only for 77 tokens; the 216M model is run without.
  bool binary_embedding = true;
  // Block 0 has a channel mix in place of its time mix.
  bool ffn_pre = false;
  // The run-time's inheritance from RWKV (6): currents of block i are divided by 2^(i / 6) and the
  // residual is halved after blocks 5, 11, ...; with neurons that makes another network. 0: off,
  // as in training.
  int64_t rescale_every = 0;
  float tau = 2.0f;
  float v_threshold = 1.0f;
  Reset reset = Reset::kHard;
};

struct SpikeGptPreset {
  std::string_view name;
  int64_t layers, width, vocabulary;
  bool binary_embedding;
  std::string_view note;
};
const std::vector<SpikeGptPreset>& spikegpt_presets();
// Throws Error(kUsage) listing the presets.
SpikeGptConfig spikegpt_preset(std::string_view name);

// Layers, width, vocabulary and ffn_pre of a checkpoint. binary_embedding: off for the vocabulary
// of the 20B tokenizer (50,277), on otherwise. Throws Error(kData) when the tensors are no
// SpikeGPT's.
SpikeGptConfig spikegpt_config_of(const Weights& weights);
// Names of arrays that every SpikeGPT and RWKV-4 has, to find them in a file by.
NameSet spikegpt_landmarks();

// Everything in front of the head, as nodes of a graph that is empty: the value of ln_out. Throws
// Error(kUsage) for impossible dimensions.
NodeId add_spikegpt_body(Graph& graph, const SpikeGptConfig& config);
// With the head that tells the next token. Throws the same.
Graph build_spikegpt(const SpikeGptConfig& config);

// Keys of the dimensions, bound to the fields of `config`; 0: as the checkpoint says.
std::vector<ModelKey> dimension_keys(SpikeGptConfig& config);
// What an experiment says about such a network; 0 and nothing: as the checkpoint says.
struct SpikeGptSpec {
  SpikeGptConfig net;
  std::optional<bool> binary_embedding;
};
// Its row of the table of families.
Family spikegpt_family();

}  // namespace spikeloom
