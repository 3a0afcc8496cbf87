#include "hw_model/chip/dead_cores.hpp"

#include <algorithm>

#include "core/error.hpp"

namespace spikeloom {

DeadNeurons dead_neurons(const LoweredNetwork& lowered, const ChipSpec& chip,
                         const Mapping& mapping, const std::vector<int64_t>& cores) {
  std::vector<bool> is_dead(static_cast<size_t>(chip.cores()));
  for (const int64_t core : cores) {
    if (core < 0 || core >= chip.cores()) {
      throw Error(ErrorCode::kUsage, "there is no core " + std::to_string(core) + ", chip " +
                                         chip.name + " has cores 0 to " +
                                         std::to_string(chip.cores() - 1));
    }
    is_dead[static_cast<size_t>(core)] = true;
  }
  const std::vector<Population> layers = populations_of(lowered.graph);
  const auto placed = cores_of_neurons(lowered.network, chip, mapping);
  DeadNeurons out;
  for (size_t p = 0; p < placed.size(); ++p) {
    const std::string& name = lowered.network.populations[p].name;
    const auto dies = [&](int32_t core) { return is_dead[static_cast<size_t>(core)]; };
    const auto count = std::count_if(placed[p].begin(), placed[p].end(), dies);
    const auto layer = std::find_if(layers.begin(), layers.end(), [&](const Population& known) {
      return known.is_neuron && known.name == name;
    });
    if (layer == layers.end()) {
      if (count > 0) out.others.push_back(name);
      continue;
    }
    out.neurons += static_cast<int64_t>(placed[p].size());
    if (count == 0) continue;
    out.count += count;
    const int64_t channels = channels_of(layer->shape);
    SpikeTensor& bits =
        out.dead.emplace(name, SpikeTensor(rows_of(layer->shape), channels)).first->second;
    for (int64_t n = 0; n < static_cast<int64_t>(placed[p].size()); ++n) {
      if (dies(placed[p][static_cast<size_t>(n)])) bits.set(n / channels, n % channels);
    }
  }
  return out;
}

}  // namespace spikeloom
