#include "run/what_if.hpp"

#include <fmt/format.h>

#include <algorithm>

#include "core/io/hint.hpp"
#include "core/io/npy.hpp"
#include "hw_model/chip/mapping_file.hpp"
#include "sim/backends/faults/faults.hpp"

namespace spikeloom {

WhatIf read_what_if(Config& config, const Device& device) {
  WhatIf what_if;
  if (!config.has("what_if")) return what_if;
  what_if.weight_bits = static_cast<int>(config.integer("what_if.weight_bits", 0, 0, 32));
  what_if.accumulator_bits = static_cast<int>(config.integer("what_if.accumulator_bits", 0, 0, 64));
  what_if.dead_neurons = config.path_of("what_if.dead_neurons", "");
  what_if.dead_cores = config.integers("what_if.dead_cores", {}, 0);
  what_if.mapping = config.path_of("what_if.mapping", "");
  if (what_if.dead_cores.empty() != what_if.mapping.empty()) {
    throw what_if.mapping.empty()
        ? config.error_at("what_if.dead_cores", "needs what_if.mapping: which neurons they hold")
        : config.error_at("what_if.mapping", "needs what_if.dead_cores");
  }
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
  if (device == kCpuDevice)
    throw config.error_at(kKey, "needs run.device = \"reference\" or a CUDA device");
  return what_if;
}

DeadNeurons find_dead_neurons(const WhatIf& what_if, const std::optional<ChipChoice>& chip,
                              const Graph& graph, const ErrorAt& error_at) {
  if (what_if.dead_cores.empty()) return {};
  ChipSpec spec;
  if (chip) {
    spec = load_chip(chip->name, chip->sets);
  } else {
    const std::string name = chip_of_mapping(what_if.mapping);
    const auto& presets = chip_presets();
    if (std::none_of(presets.begin(), presets.end(),
                     [&](const ChipPreset& preset) { return preset.name == name; })) {
      throw error_at("what_if.mapping", "the mapping is for chip " + in_quotes(name) +
                                            ", which is no preset: give chip.name");
    }
    spec = load_chip(name);
  }
  const LoweredNetwork lowered = lower(graph, spec, chip ? chip->lower : LowerOptions{});
  const Mapping mapping = load_mapping(what_if.mapping, lowered.network, spec);
  try {
    return dead_neurons(lowered, spec, mapping, what_if.dead_cores);
  } catch (const Error& error) {
    throw error_at("what_if.dead_cores", error.what());
  }
}

std::vector<std::string> describe(const WhatIf& what_if, const DeadNeurons& dead) {
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
  if (!what_if.dead_cores.empty()) {
    lines.push_back(fmt::format("cores {} of {} are dead, and with them {} of {} neurons",
                                fmt::join(what_if.dead_cores, ", "),
                                what_if.mapping.filename().string(), dead.count, dead.neurons));
    if (!dead.others.empty()) {
      lines.push_back(fmt::format("kept alive on these cores, since they are no neurons: {}",
                                  fmt::join(dead.others, ", ")));
    }
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

namespace {

// Dead in one or the other.
void add_dead(const std::map<std::string, SpikeTensor>& more, Faults& faults) {
  for (const auto& [name, bits] : more) {
    const auto [known, is_new] = faults.dead.emplace(name, bits);
    if (is_new) continue;
    const MutableSpikeView all = known->second.view();
    for (int64_t w = 0; w < all.rows * all.row_words(); ++w) all.words[w] |= bits.view().words[w];
  }
}

}  // namespace

std::shared_ptr<const Backend> with_what_if(const WhatIf& what_if, const DeadNeurons& dead,
                                            const Graph& graph,
                                            std::shared_ptr<const Backend> backend) {
  if (what_if.dead_neurons.empty() && what_if.dead_cores.empty() && !what_if.drops) return backend;
  Faults faults{{}, what_if.drop_rate, what_if.drop_seed};
  const auto populations = populations_of(graph);
  if (std::none_of(populations.begin(), populations.end(),
                   [](const Population& population) { return population.is_neuron; })) {
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
      throw error.in_file(file);
    }
  }
  add_dead(dead.dead, faults);
  return with_faults(std::move(backend), std::move(faults));
}

}  // namespace spikeloom
