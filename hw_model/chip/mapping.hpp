#pragma once
// Which core holds which neurons, and whether it can.
//
// A population is mapped either by boxes (ranges of y, x and channels, each on one core) or by a
// core number per neuron. Cores are numbered over all chips: chip, tile in the chip's numbering,
// slot.

#include <cstdint>
#include <filesystem>
#include <string>
#include <vector>

#include "hw_model/chip/chip_spec.hpp"
#include "hw_model/chip/projection.hpp"

namespace spikeloom {

struct Box {
  int population = 0;
  Range y, x, channels;
  int64_t core = 0;

  int64_t pixels() const noexcept { return y.size() * x.size(); }
  int64_t neurons() const noexcept { return pixels() * channels.size(); }
};

struct Mapping {
  std::vector<Box> boxes;
  // Per population a core per neuron, or empty where boxes hold it. Shorter lists count as empty.
  std::vector<std::vector<int32_t>> cores;
};

// Core of every neuron, by population. Throws Error(kUsage) naming the population when neurons are
// missing, held twice, or cores do not exist.
std::vector<std::vector<int32_t>> cores_of_neurons(const ChipNetwork& network, const ChipSpec& chip,
                                                   const Mapping& mapping);

// What one core has to hold.
struct CoreNeed {
  int64_t neurons = 0, weight_bytes = 0, state_bytes = 0;
  int64_t axons_in = 0;   // (source neuron, projection) pairs that reach it
  int64_t axons_out = 0;  // (neuron, target core) pairs under unicast, else neurons that send
};
// By core. Kernels of convolutions are stored once per core and output channel where the chip
// shares them; the matrix of an attention is state, 32 bits an element.
std::vector<CoreNeed> needs_of(const ChipNetwork& network, const ChipSpec& chip,
                               const Mapping& mapping);

// Compares need and limits of every core, fan-in and width of weights of every projection. Throws
// one Error(kCapacity) that lists layer, core, memory, need and limit of the first ten violations
// and the number of the others.
void check_capacity(const ChipNetwork& network, const ChipSpec& chip, const Mapping& mapping);

}  // namespace spikeloom
