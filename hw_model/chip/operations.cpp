#include "hw_model/chip/operations.hpp"

#include "hw_model/chip/noc.hpp"

namespace spikeloom {
namespace {

int add(OpTable& table, std::string name, std::string_view category, Side side,
        const OpCost& cost) {
  table.ops.push_back({std::move(name), std::string(category), side, cost});
  return static_cast<int>(table.ops.size()) - 1;
}

void add_unit(OpTable& table, const UnitSpec& unit) {
  const std::string_view kind = name_of(unit.kind);
  const std::string name = std::string(kind) + "." + unit.name;
  int slots = -1;
  if (unit.kind == UnitKind::kSoma) {
    table.unit.push_back(add(table, name + ".access", kind, Side::kGenerate, unit.access));
    add(table, name + ".update", kind, Side::kGenerate, unit.update);
    add(table, name + ".fire", kind, Side::kGenerate, unit.fire);
  } else {
    const Side side = unit.kind == UnitKind::kAxonOut ? Side::kGenerate : Side::kReceive;
    OpCost event = unit.event, slot;
    if (unit.lanes > 1) std::swap(event.latency_ns, slot.latency_ns);
    table.unit.push_back(add(table, name, kind, side, event));
    if (unit.lanes > 1) slots = add(table, name + ".slots", kind, side, slot);
  }
  table.slots.push_back(slots);
}

}  // namespace

OpTable operations_of(const ChipSpec& chip) {
  OpTable table;
  for (const UnitSpec& unit : chip.units) add_unit(table, unit);
  const auto op_of = [&](UnitKind kind) {
    const auto unit = find_unit(chip, kind, "", "");
    return unit ? table.unit[*unit] : -1;
  };
  table.axon_in = op_of(UnitKind::kAxonIn);
  table.axon_out = op_of(UnitKind::kAxonOut);
  table.accumulate = op_of(UnitKind::kAccumulate);
  for (const Direction direction : {kEast, kWest, kNorth, kSouth}) {
    table.hop[direction] =
        add(table, std::string("network.") + kDirectionNames[direction], "network", Side::kNone,
            direction <= kWest ? chip.noc.hop_x : chip.noc.hop_y);
  }
  table.interchip = add(table, "network.interchip", "network", Side::kNone, chip.noc.interchip);
  table.delivery = add(table, "network.delivery", "network", Side::kNone, chip.noc.delivery);
  for (const MemorySpec& memory : chip.memories) {
    const std::string name = "memory." + memory.name;
    const int read = add(table, name + ".read", "memory", Side::kNone, {memory.read_pj, {}});
    if (memory.holds_weights) {
      table.weight_read = read;
      table.weight_width = memory.width_bits;
    } else {
      table.state_read = read;
      table.state_write = add(table, name + ".write", "memory", Side::kNone, {memory.write_pj, {}});
      table.state_width = memory.width_bits;
    }
  }
  return table;
}

}  // namespace spikeloom
