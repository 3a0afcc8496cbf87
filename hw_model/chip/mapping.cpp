#include "hw_model/chip/mapping.hpp"

#include <algorithm>

#include "core/error.hpp"

namespace spikeloom {
namespace {

Error wrong(const ChipPopulation& population, const std::string& what) {
  return {ErrorCode::kUsage, "mapping of " + population.name + ": " + what};
}

void check_core(const ChipPopulation& population, const ChipSpec& chip, int64_t core) {
  if (core < 0 || core >= chip.cores()) {
    throw wrong(population, "core " + std::to_string(core) + " is not among the " +
                                std::to_string(chip.cores()) + " cores of " + chip.name);
  }
  if (chip.usable_cores && core % chip.cores_per_chip() >= *chip.usable_cores) {
    throw wrong(population, "core " + std::to_string(core) + " cannot be used: " + chip.name +
                                " has " + std::to_string(*chip.usable_cores) +
                                " usable cores per chip");
  }
}

bool inside(Range range, int64_t size) {
  return range.begin >= 0 && range.begin < range.end && range.end <= size;
}

void fill_box(const ChipPopulation& population, const Box& box, std::vector<int32_t>& cores) {
  for (int64_t y = box.y.begin; y < box.y.end; ++y) {
    for (int64_t x = box.x.begin; x < box.x.end; ++x) {
      for (int64_t c = box.channels.begin; c < box.channels.end; ++c) {
        int32_t& core =
            cores[static_cast<size_t>((y * population.width + x) * population.channels + c)];
        if (core >= 0) {
          throw wrong(population, "neuron (channel " + std::to_string(c) + ", y " +
                                      std::to_string(y) + ", x " + std::to_string(x) +
                                      ") is held twice");
        }
        core = static_cast<int32_t>(box.core);
      }
    }
  }
}

}  // namespace

std::vector<std::vector<int32_t>> cores_of_neurons(const ChipNetwork& network, const ChipSpec& chip,
                                                   const Mapping& mapping) {
  std::vector<std::vector<int32_t>> cores(network.populations.size());
  if (mapping.cores.size() > cores.size()) {
    throw Error(ErrorCode::kUsage, "the mapping has more populations than the network");
  }
  for (size_t p = 0; p < cores.size(); ++p) {
    const ChipPopulation& population = network.populations[p];
    const auto neurons = static_cast<size_t>(population.neurons());
    if (p >= mapping.cores.size() || mapping.cores[p].empty()) {
      cores[p].assign(neurons, -1);
      continue;
    }
    cores[p] = mapping.cores[p];
    if (cores[p].size() != neurons) {
      throw wrong(population, std::to_string(cores[p].size()) + " core numbers for " +
                                  std::to_string(neurons) + " neurons");
    }
    for (const int32_t core : cores[p]) check_core(population, chip, core);
  }
  for (const Box& box : mapping.boxes) {
    if (box.population < 0 || static_cast<size_t>(box.population) >= cores.size()) {
      throw Error(ErrorCode::kUsage, "the mapping has a box of no population");
    }
    const auto p = static_cast<size_t>(box.population);
    const ChipPopulation& population = network.populations[p];
    if (!inside(box.y, population.height) || !inside(box.x, population.width) ||
        !inside(box.channels, population.channels)) {
      throw wrong(population, "a box reaches outside");
    }
    check_core(population, chip, box.core);
    fill_box(population, box, cores[p]);
  }
  for (size_t p = 0; p < cores.size(); ++p) {
    const auto missing = std::count(cores[p].begin(), cores[p].end(), -1);
    if (missing > 0) {
      throw wrong(network.populations[p], std::to_string(missing) + " neurons are on no core");
    }
    const int beside = network.populations[p].beside;
    if (beside >= 0 && cores[p] != cores[static_cast<size_t>(beside)]) {
      throw wrong(network.populations[p],
                  "shares a residual stream with " +
                      network.populations[static_cast<size_t>(beside)].name +
                      " and must lie on the same cores");
    }
  }
  return cores;
}

}  // namespace spikeloom
