#pragma once
// Counts of one step: what every neuron, packet and synapse did. Internal to hw_model/chip; one per
// thread.

#include <cstdint>
#include <unordered_map>
#include <vector>

#include "hw_model/chip/placed.hpp"
#include "hw_model/chip/replay.hpp"

namespace spikeloom {

class StepCounter {
 public:
  StepCounter(const Placed& placed, const ChipSpikes& spikes, const ReplayOptions& options);

  // Fills the members below for `step`.
  void count(int64_t step);

  StepResult result;                             // counts only
  std::vector<int64_t> by_core;                  // [cores, ops]
  std::vector<int64_t> by_layer;                 // [populations, ops]
  std::vector<int64_t> events, deliveries;       // [projections]
  std::vector<int64_t> packets_in, packets_out;  // [cores], flits
  std::vector<std::vector<int64_t>> updates;     // [populations][shares] neurons updated
  // Packets by from * cores + to, over all steps counted, when options ask for it.
  std::unordered_map<int64_t, int64_t> traffic;
  const std::vector<int64_t>* link_flits = nullptr;  // [links]

 private:
  int64_t* core_row(int64_t core) { return by_core.data() + core * op_count_; }
  int64_t* layer_row(int64_t layer) { return by_layer.data() + layer * op_count_; }
  void count_spikes(size_t population);
  void count_spike(size_t population, uint32_t neuron);
  void count_network(size_t population, int64_t source);
  void count_updates(size_t population);
  void add_updates(size_t population, size_t share, int64_t updated_here);
  void mark_touched();
  // All but dense projections, which touch everything.
  void mark(const Projection& projection, uint32_t neuron);

  const Placed& placed_;
  const ChipSpikes& spikes_;
  const ReplayOptions& options_;
  int64_t op_count_ = 0, step_ = 0;
  KeyCounts keys_;
  LinkLoads loads_;
  std::vector<int64_t> serial_of_core_;  // the last spike that reached it
  int64_t serial_ = 0;
  std::vector<int32_t> targets_;  // cores one spike reaches
  std::vector<TilePlace> target_tiles_;
  std::vector<int64_t> chips_;
  std::vector<std::vector<uint8_t>> touched_;  // by population of rule kTouched, by neuron
  std::vector<int64_t> fired_on_core_, touched_on_core_;
};

}  // namespace spikeloom
