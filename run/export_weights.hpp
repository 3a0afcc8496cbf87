#pragma once
// Any readable weights as safetensors.

#include <string>
#include <vector>

#include "core/dtype.hpp"

namespace spikeloom {

struct ExportedWeights {
  size_t tensors = 0;
  int64_t bytes = 0;
  std::vector<std::string> left_out;  // "name (type)" of what is no tensor of numbers
  std::vector<std::string> notes;
};

// Float tensors become `to`, others stay. Tensor by tensor: a checkpoint in shards may be larger than
// the memory. `select`: as weights.select. Throws Error(kUsage) for an output whose name promises
// another format, Error(kData) for the input.
ExportedWeights export_weights(const std::string& input, const std::string& output, DType to,
                               const std::string& select);

}  // namespace spikeloom
