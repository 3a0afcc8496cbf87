#pragma once
// The network of a token experiment: graph and weights.

#include <string>
#include <vector>

#include "cli/token_experiment.hpp"
#include "core/weights.hpp"
#include "models/ann/gpt.hpp"
#include "sim/graph/quantize.hpp"

namespace spikeloom {

struct TokenNetwork {
  SpikeGptConfig config;  // its dimensions, of every family
  Graph graph;
  Weights weights;
  std::string note, hash;
  std::vector<std::string> notes;  // on the weights' file
  std::vector<QuantizedLayer> quantized;
};

// Throws Error(kUsage, kCapacity) when what the experiment says cannot be built, Error(kData) for
// weights that do not fit.
TokenNetwork make_token_network(const TokenExperiment& experiment);

// A GPT of these dimensions; 0: heads of 64 channels, a context of one window.
GptConfig gpt_of(const SpikeGptConfig& net, int64_t heads, int64_t context);

}  // namespace spikeloom
