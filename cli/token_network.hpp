#pragma once
// The network of a token experiment: graph and weights.

#include <string>
#include <vector>

#include "cli/token_experiment.hpp"
#include "core/weights.hpp"
#include "sim/graph/quantize.hpp"

namespace spikeloom {

struct TokenNetwork {
  ModelSpec spec;  // of the experiment and the checkpoint together
  int64_t vocabulary = 0;
  Graph graph;
  Weights weights;
  std::string note, hash;
  std::vector<std::string> notes;  // on the weights' file
  std::vector<QuantizedLayer> quantized;
};

// Throws Error(kUsage, kCapacity) when what the experiment says cannot be built, Error(kData) for
// weights that do not fit.
TokenNetwork make_token_network(const TokenExperiment& experiment);

}  // namespace spikeloom
