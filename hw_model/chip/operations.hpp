#pragma once
// The operations a chip counts and prices: one row per unit action, hop and memory access. Counters
// are arrays over these rows, energies and times are sums of count x constant.

#include <array>
#include <string>
#include <vector>

#include "hw_model/chip/chip_spec.hpp"

namespace spikeloom {

// Which serial part of a core an operation keeps busy.
enum class Side { kNone, kGenerate, kReceive };

// What an operation is. A unit's name is the user's choice and tells nothing.
enum class Action {
  kAxonIn,
  kSynaptic,  // an event of a synapse, multiplier or outer product
  kAccumulate,
  kSlots,   // a group of lanes of one of these: takes the time, is no event
  kAccess,  // of a soma, as the next two
  kUpdate,
  kFire,
  kAxonOut,
  kHop,  // network: between tiles, between chips, the way into a core
  kInterchip,
  kDelivery,
  kMemory
};

struct PricedOp {
  std::string name;      // "soma.lif.update", "network.east"
  std::string category;  // for people: kind of unit, "network" or "memory"
  Action action = Action::kMemory;
  Side side = Side::kNone;
  OpCost cost;
};

struct OpTable {
  std::vector<PricedOp> ops;
  std::vector<int> unit;  // by unit of the chip: its event, or "access" with update and fire behind
  std::vector<int> slots;  // by unit: groups of `lanes` events, which take the time; -1: lanes = 1
  int axon_in = 0, axon_out = 0, accumulate = -1;
  std::array<int, 4> hop{};  // by Direction
  int interchip = 0, delivery = 0;
  int weight_read = -1, state_read = -1, state_write = -1;
  int64_t weight_width = 0, state_width = 0;

  size_t size() const noexcept { return ops.size(); }
};

OpTable operations_of(const ChipSpec& chip);

}  // namespace spikeloom
