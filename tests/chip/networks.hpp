#pragma once
// The networks of the reference runs (hardware_model 1.9): mapping, spikes and description at hand.

#include <string>
#include <vector>

#include "hw_model/chip/chip_spec.hpp"
#include "hw_model/chip/mapping.hpp"
#include "hw_model/chip/projection.hpp"
#include "hw_model/chip/replay.hpp"
#include "hw_model/chip/spikes.hpp"

namespace spikeloom::test {

struct ChipCase {
  ChipNetwork network;
  Mapping mapping;
  ChipSpikes spikes;
};

ChipPopulation flat(std::string name, int64_t neurons, UpdateRule update = UpdateRule::kAll);
Box whole(const ChipNetwork& network, int population, int64_t core);
// All neurons of the population fire in every step of `spikes`.
void fire_always(const ChipNetwork& network, size_t population, ChipSpikes& spikes);
ChipSpikes silent(const ChipNetwork& network, int64_t steps);
// `fired[step]` ascending.
void set_spikes(ChipSpikes& spikes, size_t population,
                const std::vector<std::vector<uint32_t>>& fired);

// Two groups of 64, all to all; the second on `core`.
ChipCase pair_case(int64_t core, int64_t steps);
// N3: 16 groups of 32 on tiles 16..31, all to one group on core 0.
ChipCase hotspot_case(int64_t steps);
// N4: 8192 neurons on 128 cores, 16 random synapses each.
ChipCase uniform_case(int64_t steps);
// The small example of two tiles with four cores each, and its chip.
ChipCase example_case();
ChipSpec example_chip();

struct DvsStep {
  int64_t fired = 0, updated = 0, packets = 0, hops = 0, events = 0;
  double synapse_j = 0, soma_j = 0, network_j = 0;
};
// 128 steps of the gesture network. The record has the number of updated neurons of the whole
// network only; here populations take their share in order, which leaves the sums as they are.
ChipCase dvs_case(std::vector<DvsStep>& steps);

// A chip with every kind of unit, one core per tile: link 1 ns, hop 2 and 3 ns, nothing else takes
// time or energy but what `sets` says.
ChipSpec grid_chip(int64_t cols, int64_t rows, const std::vector<std::string>& sets = {});

// Text of a gzip file.
std::string gunzip(const std::string& path);

}  // namespace spikeloom::test
