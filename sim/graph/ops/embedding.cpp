#include "sim/graph/ops/embedding.hpp"

#include <fmt/format.h>

#include "sim/graph/infer.hpp"

namespace spikeloom {

Inferred Embedding::infer(Inputs in) const {
  require_inputs(in, 1);
  if (in[0].vocabulary != vocabulary || vocabulary <= 0) {
    misfit(fmt::format("needs tokens of a vocabulary of {}", vocabulary));
  }
  if (channels <= 0) misfit("has no channels");
  return {EdgeKind::kReal, {channels}};
}

std::vector<Parameter> Embedding::parameters() const {
  return {{weight, {vocabulary, channels}}};
}

NodeWork Embedding::work(const NodeRun& run) const {
  return {.elementwise = {.embedding_values = run.outputs()}};
}

ValueGain Embedding::gain(const ArrayBounds& arrays) const {
  return {0, arrays.largest(weight)};
}

ValueBound Embedding::bound(const BoundInput& in) const {
  return of_gain(in);
}

}  // namespace spikeloom
