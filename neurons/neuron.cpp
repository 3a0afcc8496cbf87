#include "neurons/neuron.hpp"

#include <fmt/format.h>

#include <cmath>

#include "core/error.hpp"

namespace spikeloom {

NeuronParams lif(float tau, float v_threshold) {
  if (!(tau >= 1.0f))
    throw Error(ErrorCode::kUsage, fmt::format("tau must be at least 1, not {}", tau));
  NeuronParams params;
  params.decay = 1.0f / tau;
  params.v_threshold = v_threshold;
  return params;
}

NeuronParams plif(float w, float v_threshold) {
  NeuronParams params;
  params.model = NeuronModel::kPlif;
  params.decay = static_cast<float>(1.0 / (1.0 + std::exp(-static_cast<double>(w))));
  params.v_threshold = v_threshold;
  return params;
}

NeuronParams integrate_and_fire(float v_threshold) {
  NeuronParams params;
  params.model = NeuronModel::kIf;
  params.v_threshold = v_threshold;
  return params;
}

std::string describe(const NeuronParams& p) {
  const char* fires = p.fire == FireRule::kAtThreshold ? ">=" : ">";
  const std::string reset = p.reset == Reset::kHard ? fmt::format("hard reset to {}", p.v_reset)
                                                    : std::string("soft reset");
  if (p.model == NeuronModel::kIf) {
    return fmt::format("IF(v_th {}, {}, fires at {})", p.v_threshold, reset, fires);
  }
  return fmt::format("{}(decay {}, {} input, v_th {}, {}, fires at {})",
                     p.model == NeuronModel::kLif ? "LIF" : "PLIF", p.decay,
                     p.decay_input ? "decayed" : "plain", p.v_threshold, reset, fires);
}

}  // namespace spikeloom
