#include <algorithm>
#include <limits>

#include "hw_model/chip/replay.hpp"
#include "hw_model/chip/step_time.hpp"

namespace spikeloom {
namespace {

// What a side of the cores works altogether, however it is spread. Packets are left out: how many
// there are is the mapping's choice.
double work_ns(const ChipSpec& chip, const ReplayResult& result, Side side) {
  const OpTable table = operations_of(chip);
  std::vector<double> counts(result.ops.size());
  for (size_t op = 0; op < counts.size(); ++op) counts[op] = static_cast<double>(result.count(op));
  for (size_t unit = 0; unit < table.slots.size(); ++unit) {
    if (table.slots[unit] < 0) continue;
    counts[static_cast<size_t>(table.slots[unit])] =
        counts[static_cast<size_t>(table.unit[unit])] / static_cast<double>(chip.units[unit].lanes);
  }
  double sum = 0;
  for (size_t op = 0; op < counts.size(); ++op) {
    const PricedOp& row = result.ops[op];
    const bool packet = row.action == Action::kAxonIn || row.action == Action::kAxonOut;
    if (row.side == side && row.cost.latency_ns && !packet)
      sum += counts[op] * row.cost.latency_ns->value;
  }
  return sum;
}

}  // namespace

double time_bound_ns(const ChipSpec& chip, const ReplayResult& result) {
  const double work =
      std::max(work_ns(chip, result, Side::kGenerate), work_ns(chip, result, Side::kReceive));
  const auto steps = static_cast<double>(result.step_count());
  const int64_t per_chip = chip.usable_cores.value_or(chip.cores_per_chip());
  const double all = work / static_cast<double>(per_chip * chip.chips());
  const SyncSpec& sync = chip.sync;
  if (sync.mode == SyncMode::kFixedTick) return std::max(all, steps * sync.tick_ns);
  if (sync.mode == SyncMode::kFreeRun || sync.barrier_from.empty()) return all;
  // Fewer tiles have a shorter barrier and fewer cores.
  const int64_t of_one = sync.per_chips ? per_chip : chip.cores_per_tile;
  double least = std::numeric_limits<double>::infinity();
  for (size_t i = 0; i < sync.barrier_from.size(); ++i) {
    const bool last = i + 1 == sync.barrier_from.size();
    const int64_t cores =
        last ? per_chip * chip.chips()
             : std::min((sync.barrier_from[i + 1] - 1) * of_one, per_chip * chip.chips());
    const double busy = work / static_cast<double>(std::max<int64_t>(cores, 1));
    least = std::min(least, busy + steps * sync.barrier_ns[i]);
  }
  return least;
}

}  // namespace spikeloom
