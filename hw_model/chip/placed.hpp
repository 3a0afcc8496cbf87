#pragma once
// A network on a chip, compiled for replay: fan-out tables, cores of neurons, and the list of
// priced operations that counters index. Internal to hw_model/chip. Immutable once made; shared by
// threads.

#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "hw_model/chip/chip_spec.hpp"
#include "hw_model/chip/fan_out.hpp"
#include "hw_model/chip/mapping.hpp"
#include "hw_model/chip/noc.hpp"
#include "hw_model/chip/operations.hpp"
#include "hw_model/chip/projection.hpp"
#include "hw_model/chip/spikes.hpp"

namespace spikeloom {

struct PlacedProjection {
  int source = 0, target = 0;
  FanOut fan_out;
  int event = -1, slots = -1, accumulate = -1;  // operations; -1: none
  int64_t lanes = 1;
  int64_t weight_bits = 0;                  // read per event; 0: no weight memory
  std::optional<AttentionSynapses> values;  // of a value projection
};

struct PlacedPopulation {
  struct Share {
    int32_t core = 0;
    int64_t neurons = 0;
  };
  std::vector<int32_t> cores;   // by neuron
  std::vector<uint32_t> ranks;  // by neuron: place among those of the population on its core
  std::vector<Share> shares;    // ascending by core
  std::vector<int> outgoing;    // projections
  int soma = 0;                 // operation "access" of its unit; update and fire follow
  bool access_every_step = true;
  int64_t flits = 1;           // of a packet
  int64_t state_accesses = 0;  // per update
};

struct Placed {
  ChipNetwork network;
  ChipSpec chip;
  Geometry geometry;
  OpTable ops;
  std::vector<PlacedPopulation> populations;
  std::vector<PlacedProjection> projections;
  std::vector<TilePlace> tiles;                    // by core
  std::vector<std::vector<TilePlace>> chip_tiles;  // by chip, for broadcasts
  int64_t cores_used = 0, tiles_used = 0, chips_used = 0;
};

// Throws Error(kUsage) when network or mapping are wrong, or when the chip lacks a unit a
// projection needs, naming both.
Placed place(const ChipNetwork& network, const ChipSpec& chip, const Mapping& mapping);

// Fills the ranks, which only the event level needs.
void rank_neurons(Placed& placed);

// Keys that fired, by value projection: [token * heads + head]. One step.
class KeyCounts {
 public:
  explicit KeyCounts(const Placed& placed);
  void count(const ChipSpikes& spikes, int64_t step);
  int64_t at(size_t projection, uint32_t neuron, int64_t depth) const noexcept {
    return counts_[projection][static_cast<size_t>(neuron / depth)];
  }

 private:
  const Placed& placed_;
  std::vector<std::vector<int64_t>> counts_;
};

// Calls f(projection, core, synaptic events) for all a spike of `neuron` does. Projections in
// order, cores ascending within each.
template <typename F>
void for_each_delivery(const Placed& placed, const KeyCounts& keys, size_t population,
                       uint32_t neuron, F&& f) {
  for (const int q : placed.populations[population].outgoing) {
    const PlacedProjection& projection = placed.projections[static_cast<size_t>(q)];
    const FanOut& fan_out = projection.fan_out;
    int64_t factor = 1;
    if (projection.values) {
      factor = keys.at(static_cast<size_t>(q), neuron,
                       placed.network.populations[population].channels / projection.values->heads);
    }
    for (const FanOut::Entry entry : fan_out.row(fan_out.row_of(neuron))) {
      f(static_cast<size_t>(q), entry.core, factor * entry.synapses);
    }
  }
}

}  // namespace spikeloom
