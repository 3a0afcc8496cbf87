#pragma once
// Which cores a spike reaches and how many synapses it has there.
//
// All channels of a group at one position have the same fan-out, so a table has one row per
// (position, group) of a convolution, one row for a dense projection, one per source neuron of a
// sparse list. Rows of a convolution onto boxes are intersections of ranges, in closed form: no
// synapse is ever visited. Entries of a row ascend by core.

#include <cstdint>
#include <span>
#include <vector>

#include "hw_model/chip/mapping.hpp"

namespace spikeloom {

struct FanOut {
  struct Entry {
    int32_t core = 0;
    int32_t synapses = 0;  // attention: keys 0, values 1 (times keys), queries channels of the head
  };
  // Row of source neuron n: n / position_neurons * groups + n % channels / group_channels.
  uint32_t position_neurons = 1, channels = 1, groups = 1, group_channels = 1;
  std::vector<int64_t> first;  // rows + 1
  std::vector<Entry> entries;

  int64_t row_of(uint32_t neuron) const noexcept {
    return static_cast<int64_t>(neuron / position_neurons) * groups +
           neuron % channels / group_channels;
  }
  std::span<const Entry> row(int64_t r) const noexcept {
    return {entries.data() + first[static_cast<size_t>(r)],
            entries.data() + first[static_cast<size_t>(r) + 1]};
  }
  // Source neurons that share a row.
  int64_t neurons_of_row(const ChipPopulation& source) const noexcept {
    return source.neurons() / (static_cast<int64_t>(first.size()) - 1);
  }
};

// `cores` as cores_of_neurons() gives them. Throws Error(kUsage) when an attention target is split
// over tokens.
FanOut fan_out_of(const ChipNetwork& network, const Projection& projection, const Mapping& mapping,
                  const std::vector<std::vector<int32_t>>& cores);

}  // namespace spikeloom
