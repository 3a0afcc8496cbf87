#include "sim/graph/ops/wkv.hpp"

#include "sim/graph/infer.hpp"

namespace spikeloom {

Inferred Wkv::infer(Inputs in) const {
  Inferred out = infer_pair(in);
  require_channels(in[0], channels);
  return out;
}

std::vector<Parameter> Wkv::parameters() const {
  return {{decay, {channels}}, {first, {channels}}};
}

std::vector<StateSlot> Wkv::state(const Shape& shape) const {
  return {{"p", shape, 0.0f}, {"q", shape, 0.0f}, {"o", shape, kWkvStart}};
}

NodeWork Wkv::work(const NodeRun& run) const {
  return {.elementwise = {.wkv = run.outputs()}};
}

ValueGain Wkv::gain(const ArrayBounds& arrays) const {
  arrays.largest(decay);
  return {1, arrays.largest(first)};
}

// The output is an average of values.
ValueBound Wkv::bound(const BoundInput& in) const {
  return {in.steps * in.in[1] + 2 * in.in[0] + in.gain.offset, in.in[1]};
}

}  // namespace spikeloom
