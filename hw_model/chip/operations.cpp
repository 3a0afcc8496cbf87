#include "hw_model/chip/operations.hpp"

#include "hw_model/chip/noc.hpp"

namespace spikeloom {
namespace {

int add(OpTable& table, std::string name, std::string_view category, Action action, Side side,
        const OpCost& cost) {
  table.ops.push_back({std::move(name), std::string(category), action, side, cost});
  return static_cast<int>(table.ops.size()) - 1;
}

// Of an event of the unit; somas have none.
Action action_of(UnitKind kind) {
  switch (kind) {
    case UnitKind::kAxonIn: return Action::kAxonIn;
    case UnitKind::kSynapse:
    case UnitKind::kMultiply:
    case UnitKind::kOuterProduct: return Action::kSynaptic;
    case UnitKind::kAccumulate: return Action::kAccumulate;
    case UnitKind::kSoma: return Action::kAccess;
    case UnitKind::kAxonOut: break;
  }
  return Action::kAxonOut;
}

void add_unit(OpTable& table, const UnitSpec& unit) {
  const std::string_view kind = name_of(unit.kind);
  const std::string name = std::string(kind) + "." + unit.name;
  int slots = -1;
  if (unit.kind == UnitKind::kSoma) {
    table.unit.push_back(
        add(table, name + ".access", kind, Action::kAccess, Side::kGenerate, unit.access));
    add(table, name + ".update", kind, Action::kUpdate, Side::kGenerate, unit.update);
    add(table, name + ".fire", kind, Action::kFire, Side::kGenerate, unit.fire);
  } else {
    const Side side = unit.kind == UnitKind::kAxonOut ? Side::kGenerate : Side::kReceive;
    OpCost event = unit.event, slot;
    if (unit.lanes > 1) std::swap(event.latency_ns, slot.latency_ns);
    table.unit.push_back(add(table, name, kind, action_of(unit.kind), side, event));
    if (unit.lanes > 1) slots = add(table, name + ".slots", kind, Action::kSlots, side, slot);
  }
  table.slots.push_back(slots);
}

}  // namespace

OpTable operations_of(const ChipSpec& chip) {
  OpTable table;
  for (const UnitSpec& unit : chip.units) add_unit(table, unit);
  const auto op_of = [&](UnitKind kind) {
    const auto unit = find_unit(chip, kind);
    return unit ? table.unit[*unit] : -1;
  };
  table.axon_in = op_of(UnitKind::kAxonIn);
  table.axon_out = op_of(UnitKind::kAxonOut);
  table.accumulate = op_of(UnitKind::kAccumulate);
  for (const Direction direction : {kEast, kWest, kNorth, kSouth}) {
    table.hop[direction] =
        add(table, std::string("network.") + kDirectionNames[direction], "network", Action::kHop,
            Side::kNone, direction <= kWest ? chip.noc.hop_x : chip.noc.hop_y);
  }
  table.interchip = add(table, "network.interchip", "network", Action::kInterchip, Side::kNone,
                        chip.noc.interchip);
  table.delivery =
      add(table, "network.delivery", "network", Action::kDelivery, Side::kNone, chip.noc.delivery);
  for (const MemorySpec& memory : chip.memories) {
    const std::string name = "memory." + memory.name;
    const int read =
        add(table, name + ".read", "memory", Action::kMemory, Side::kNone, {memory.read_pj, {}});
    if (memory.holds_weights) {
      table.weight_read = read;
      table.weight_width = memory.width_bits;
    } else {
      table.state_read = read;
      table.state_write = add(table, name + ".write", "memory", Action::kMemory, Side::kNone,
                              {memory.write_pj, {}});
      table.state_width = memory.width_bits;
    }
  }
  return table;
}

}  // namespace spikeloom
