#include "sim/graph/ops/batch_norm.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <limits>

#include "sim/graph/infer.hpp"

namespace spikeloom {

std::string BatchNorm::label() const {
  return pad == 0 ? "batchnorm" : fmt::format("batchnorm pad{}", pad);
}

Inferred BatchNorm::infer(Inputs in) const {
  Shape shape = infer_same(in).shape;
  require_channels(in[0], channels);
  if (pad > 0) {
    if (shape.size() != 3) misfit("pads something that is not a map");
    shape[0] += 2 * pad;
    shape[1] += 2 * pad;
  }
  return {EdgeKind::kReal, shape};
}

std::vector<Parameter> BatchNorm::parameters() const {
  std::vector<Parameter> result;
  for (const char* part : {".weight", ".bias", ".running_mean", ".running_var"}) {
    result.push_back({prefix + part, {channels}});
  }
  return result;
}

NodeWork BatchNorm::work(const NodeRun& run) const {
  return {.elementwise = {.batch_norm = run.outputs()}};
}

ValueGain BatchNorm::gain(const ArrayBounds& arrays) const {
  const Affine affine = affine_of(*this, arrays.weights());
  ValueGain result{0, 0};
  for (size_t c = 0; c < affine.scale.size(); ++c) {
    for (const double value : {affine.scale[c], affine.shift[c]}) {
      if (!(std::abs(value) <= static_cast<double>(std::numeric_limits<float>::max())))
        not_finite(prefix + ": what channel " + std::to_string(c) + " is scaled by or shifted");
    }
    result.gain = std::max(result.gain, std::abs(affine.scale[c]));
    result.offset = std::max(result.offset, std::abs(affine.shift[c]));
  }
  return result;
}

ValueBound BatchNorm::bound(const BoundInput& in) const {
  return of_gain(in);
}

Affine affine_of(const BatchNorm& op, const Weights& weights) {
  const auto values = [&](const char* part) { return weights.at(op.prefix + part).data.f32(); };
  const auto gamma = values(".weight"), beta = values(".bias");
  const auto mean = values(".running_mean"), variance = values(".running_var");
  Affine result;
  for (size_t c = 0; c < gamma.size(); ++c) {
    const double scale =
        static_cast<double>(gamma[c]) / std::sqrt(static_cast<double>(variance[c]) + op.eps);
    result.scale.push_back(scale);
    result.shift.push_back(static_cast<double>(beta[c]) - static_cast<double>(mean[c]) * scale);
  }
  return result;
}

}  // namespace spikeloom
