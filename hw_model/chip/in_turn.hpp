#pragma once
// Layer by layer: a network that does not fit a chip runs on it in turns. Each turn holds a group
// of layers that fits, runs all steps of `samples_per_turn` samples, and leaves the spikes later
// turns read in a memory outside the chip; then the next group's weights are loaded.
//
// Layers that feed each other (recurrence, a residual stream with all that read it) share a turn.
// Turns are filled in the order of the data, as long as map_sequential() fits. Spikes that come
// from an earlier turn are sent by neurons that count among those of their core but cost nothing
// themselves; packets and synaptic events they cause are priced as ever. A network that fits takes
// one turn and is replayed as usual, with nothing loaded or stored.
//
// Bytes: weights as the cores hold them, copies counted; a stored spike is the neuron's number in
// ceil(log2(neurons)) bits and its payload, values sent in every step are payload alone; written
// once and read once per turn that needs them. Prices are the chip's reload.energy_pj_per_byte and
// reload.ns_per_byte; without them the bytes are listed as unpriced. While bytes move the chip
// leaks and its clock runs, as in the turn they belong to.

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "hw_model/chip/mapping.hpp"
#include "hw_model/chip/replay.hpp"
#include "hw_model/chip/spikes.hpp"

namespace spikeloom {

struct Turn {
  std::vector<int> populations;  // of the whole network: those that run, then those stored
  std::vector<int> projections;  // of the whole network
  int64_t stored = 0;            // how many, at the end of `populations`
  ChipNetwork network;           // both lists in this order
  Mapping mapping;
  ReplayResult result;
  int64_t weight_bytes = 0;                   // of one load
  int64_t read_bytes = 0, written_bytes = 0;  // spikes from earlier and for later turns
};

struct InTurnOptions {
  ReplayOptions replay;
  int64_t samples_per_turn = 1;  // that wait for each other between two loads
  bool check = false;            // check_result() on every turn
};

struct InTurnResult {
  ChipSpec chip;  // with a soma unit that sends stored spikes
  std::vector<Turn> turns;
  int64_t loads = 0;  // of each turn's weights; 0 with one turn
  // Of the layers that run, over all turns: what replay() of the whole network counts.
  int64_t fired = 0, updated = 0, events = 0;
  int64_t loaded_bytes = 0, spike_bytes = 0;    // over all loads; written and read
  std::optional<double> outside_j, outside_ns;  // of both; nothing: without a price
  std::vector<std::string> unpriced;

  double time_ns() const;  // of all turns and, where priced, of loading and storing
  double bytes_ns(const Turn& turn) const;  // of its loading and storing; 0 without a price
  ChipEnergy energy() const;  // of all turns; that of the bytes (outside_j) not included
  // Counts by core, layer, projection and link of the whole network, without what neurons of
  // earlier turns do when they send; steps of all turns one after the other, added up; cores, tiles
  // and chips in use: the most of any turn.
  ReplayResult sum(const ChipNetwork& network) const;
};

// An operation of neurons of earlier turns, which cost nothing.
bool is_playback(const PricedOp& op);

// Groups of populations that share a turn, in the order they run, with the mapping of each. Throws
// Error(kCapacity) naming the layers when a group that must stay together does not fit.
std::vector<Turn> plan_turns(const ChipNetwork& network, const ChipSpec& chip);

// Throws Error(kUsage) as replay(), and when samples_per_turn is below 1; Error(kCapacity) as
// plan_turns().
InTurnResult replay_in_turn(const ChipNetwork& network, const ChipSpec& chip,
                            const ChipSpikes& spikes, const InTurnOptions& options = {});

}  // namespace spikeloom
