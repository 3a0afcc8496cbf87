#include "cli/what_if.hpp"

#include <fmt/format.h>

#include "core/io/npy.hpp"
#include "sim/backends/faults/faults.hpp"

namespace spikeloom {

WhatIf read_what_if(Config& config, const std::string& device) {
  WhatIf what_if;
  if (!config.has("what_if")) return what_if;
  what_if.weight_bits = static_cast<int>(config.integer("what_if.weight_bits", 0, 0, 32));
  what_if.accumulator_bits = static_cast<int>(config.integer("what_if.accumulator_bits", 0, 0, 64));
  what_if.dead_neurons = config.path_of("what_if.dead_neurons", "");
  what_if.drops = config.has("what_if.drop_rate");
  what_if.drop_rate = config.real("what_if.drop_rate", 0, 0, 1);
  what_if.drop_seed = static_cast<uint64_t>(config.integer("what_if.drop_seed", 1, 0));
  if (config.has("what_if.drop_seed") && !what_if.drops)
    throw config.error_at("what_if.drop_seed", "needs what_if.drop_rate");
  if (what_if.accumulator_bits == 0) return what_if;
  constexpr const char* kKey = "what_if.accumulator_bits";
  if (what_if.accumulator_bits == 1) throw config.error_at(kKey, "a sign and at least one bit");
  if (what_if.weight_bits == 0) {
    throw config.error_at(kKey,
                          "needs what_if.weight_bits: an accumulator counts steps of a weight");
  }
  if (device != "reference") throw config.error_at(kKey, "needs run.device = \"reference\"");
  return what_if;
}

std::vector<std::string> describe(const WhatIf& what_if) {
  std::vector<std::string> lines;
  if (what_if.weight_bits > 0) {
    lines.push_back(
        fmt::format("weights rounded to {} bits per output channel", what_if.weight_bits));
  }
  if (what_if.accumulator_bits > 0) {
    lines.push_back(fmt::format("sums of spikes saturate in {} bits", what_if.accumulator_bits));
  }
  if (!what_if.dead_neurons.empty()) {
    lines.push_back(fmt::format("dead neurons of {}", what_if.dead_neurons.filename().string()));
  }
  if (what_if.drops) {
    lines.push_back(fmt::format("spikes lost with probability {}, seed {}", what_if.drop_rate,
                                what_if.drop_seed));
  }
  return lines;
}

AccumulatorLimits round_model(const WhatIf& what_if, Model& model) {
  if (what_if.weight_bits == 0) return {};
  RoundedWeights rounded = round_weights(model.graph, model.weights, what_if.weight_bits);
  AccumulatorLimits limits;
  if (what_if.accumulator_bits > 0) {
    limits = accumulator_limits(model.graph, rounded, what_if.accumulator_bits);
  }
  model.weights = std::move(rounded.weights);
  return limits;
}

std::shared_ptr<const Backend> with_what_if(const WhatIf& what_if, const Graph& graph,
                                            std::shared_ptr<const Backend> backend) {
  if (what_if.dead_neurons.empty() && !what_if.drops) return backend;
  Faults faults{{}, what_if.drop_rate, what_if.drop_seed};
  if (populations_of(graph).empty()) {
    throw Error(ErrorCode::kUsage, "what_if: the network has no neurons to die or to lose spikes");
  }
  if (!what_if.dead_neurons.empty()) {
    const Tensor mask = load_npy(what_if.dead_neurons);
    const std::string file = what_if.dead_neurons.string();
    if (mask.dtype() != DType::kU8 && mask.dtype() != DType::kBool) {
      throw Error(ErrorCode::kData, file + ": a mask holds |u1 or |b1, 1 where a neuron is dead");
    }
    try {
      faults.dead = split_mask(
          graph, {reinterpret_cast<const uint8_t*>(mask.data()), static_cast<size_t>(mask.size())});
    } catch (const Error& error) {
      throw error.in(file);
    }
  }
  return with_faults(std::move(backend), std::move(faults));
}

}  // namespace spikeloom
