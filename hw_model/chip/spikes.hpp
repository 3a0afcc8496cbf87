#pragma once
// What a chip replays: the neurons that fire in each step, by population.

#include <cstdint>
#include <span>
#include <vector>

#include "hw_model/chip/projection.hpp"
#include "sim/trace/trace_file.hpp"

namespace spikeloom {

struct ChipSpikes {
  struct Population {
    std::vector<int64_t> first;  // steps + 1, into neurons; empty: silent
    // Ascending within a step; of levels a neuron stands there once per packet it sends.
    std::vector<uint32_t> neurons;
    std::vector<int64_t> updated;  // rule kGiven: neurons updated per step
  };
  int64_t steps = 0;
  std::vector<Population> populations;  // as in the network
  std::vector<int64_t> sample_starts;   // steps at which state is cleared; ascending, 0 included

  std::span<const uint32_t> at(size_t population, int64_t step) const noexcept {
    const Population& spikes = populations[population];
    if (spikes.first.empty()) return {};
    const auto s = static_cast<size_t>(step);
    return {spikes.neurons.data() + spikes.first[s], spikes.neurons.data() + spikes.first[s + 1]};
  }
};

// Appends a neuron as often as it sends. Throws Error(kCapacity) beyond 2^30 packets.
void add_packets(const ChipPopulation& population, int64_t neuron, int64_t level,
                 std::vector<uint32_t>& packets);

// All neurons in the first step of every sample, none in others.
void fill_first_steps(const ChipPopulation& population, const ChipSpikes& spikes,
                      ChipSpikes::Population& out);

// The steps of a range as a record of their own. Its first step starts a sample.
ChipSpikes slice_of(const ChipSpikes& spikes, Range steps);

// Throws Error(kUsage) naming the population when lists are missing, out of order or out of range.
void check_spikes(const ChipNetwork& network, const ChipSpikes& spikes);

// Steps [first, first + steps) of a trace, by the names of the populations; those that send always
// are not looked up. Throws Error(kUsage) for a population the trace does not have, Error(kData)
// where it is damaged, partial or does not fit the network.
ChipSpikes read_spikes(const TraceFile& trace, const ChipNetwork& network, int64_t first,
                       int64_t steps);

}  // namespace spikeloom
