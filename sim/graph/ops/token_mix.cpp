#include "sim/graph/ops/token_mix.hpp"

#include "sim/graph/infer.hpp"

namespace spikeloom {

Inferred TokenMix::infer(Inputs in) const {
  Inferred out = infer_pair(in);
  require_channels(in[0], channels);
  return out;
}

std::vector<Parameter> TokenMix::parameters() const {
  return {{mix, {1, 1, channels}}};
}

NodeWork TokenMix::work(const NodeRun& run) const {
  return {.elementwise = {.token_mix = run.outputs()}};
}

ValueGain TokenMix::gain(const ArrayBounds& arrays) const {
  return {1 + 2 * arrays.largest(mix), 0};
}

ValueBound TokenMix::bound(const BoundInput& in) const {
  const double most = in.gain.gain * (in.in[0] + in.in[1]);
  return {most, most};
}

}  // namespace spikeloom
