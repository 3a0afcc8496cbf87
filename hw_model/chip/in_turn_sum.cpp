// What all turns together did, took and need.

#include <algorithm>

#include "hw_model/chip/in_turn.hpp"

namespace spikeloom {
namespace {

constexpr double kSecondsOfNs = 1e-9;

void add_energy(const ChipEnergy& part, ChipEnergy& sum) {
  for (const ChipEnergy::Term& term : part.dynamic) {
    const auto same = std::find_if(sum.dynamic.begin(), sum.dynamic.end(),
                                   [&](const auto& known) { return known.name == term.name; });
    if (same == sum.dynamic.end())
      sum.dynamic.push_back(term);
    else
      same->joules += term.joules;
  }
  sum.static_j += part.static_j;
  sum.idle_j += part.idle_j;
  sum.sync_j += part.sync_j;
  sum.dynamic_j += part.dynamic_j;
}

// Adds `part` [rows, ops of the turn] to `sum` [rows, kept ops]; `row_of`: where a row belongs.
template <typename F>
void add_rows(const std::vector<int64_t>& part, size_t ops, const std::vector<size_t>& kept,
              F&& row_of, std::vector<int64_t>& sum) {
  for (size_t row = 0; row * ops < part.size(); ++row) {
    for (size_t op = 0; op < kept.size(); ++op)
      sum[row_of(row) * kept.size() + op] += part[row * ops + kept[op]];
  }
}

template <typename Index>
void add_at(const std::vector<int64_t>& part, const std::vector<Index>& where,
            std::vector<int64_t>& sum) {
  for (size_t i = 0; i < part.size(); ++i) sum[static_cast<size_t>(where[i])] += part[i];
}

ReplayResult empty_like(const InTurnResult& turns, const ChipNetwork& network,
                        const std::vector<size_t>& kept) {
  const ReplayResult& first = turns.turns.at(0).result;
  ReplayResult sum;
  sum.level = first.level;
  for (const size_t op : kept) sum.ops.push_back(first.ops[op]);
  sum.cores = first.cores;
  sum.populations = static_cast<int64_t>(network.populations.size());
  sum.links = first.links;
  sum.by_core.resize(static_cast<size_t>(sum.cores) * kept.size());
  sum.by_layer.resize(network.populations.size() * kept.size());
  sum.events.resize(network.projections.size());
  sum.deliveries.resize(network.projections.size());
  sum.link_flits.resize(first.link_flits.size());
  return sum;
}

}  // namespace

double InTurnResult::bytes_ns(const Turn& turn) const {
  if (!chip.reload_ns_per_byte) return 0;
  const int64_t bytes = loads * turn.weight_bytes + turn.read_bytes + turn.written_bytes;
  return static_cast<double>(bytes) * chip.reload_ns_per_byte->value;
}

double InTurnResult::time_ns() const {
  double sum = outside_ns.value_or(0);
  for (const Turn& turn : turns) sum += turn.result.total().time_ns;
  return sum;
}

ChipEnergy InTurnResult::energy() const {
  ChipEnergy sum;
  for (const Turn& turn : turns) {
    add_energy(energy_of(chip, turn.result), sum);
    if (turn.result.level == Level::kCounts) continue;
    const ChipPower power = power_of(chip, turn.result);
    sum.static_j += power.leakage_w * bytes_ns(turn) * kSecondsOfNs;
    sum.idle_j += power.idle_w * bytes_ns(turn) * kSecondsOfNs;
  }
  return sum;
}

ReplayResult InTurnResult::sum(const ChipNetwork& network) const {
  const std::vector<PricedOp>& ops = turns.at(0).result.ops;
  std::vector<size_t> kept;  // all but what the neurons of earlier turns do
  for (size_t op = 0; op < ops.size(); ++op) {
    if (!is_playback(ops[op])) kept.push_back(op);
  }
  ReplayResult sum = empty_like(*this, network, kept);
  for (const Turn& turn : turns) {
    const ReplayResult& part = turn.result;
    add_rows(
        part.by_core, ops.size(), kept, [](size_t core) { return core; }, sum.by_core);
    add_rows(
        part.by_layer, ops.size(), kept,
        [&](size_t p) { return static_cast<size_t>(turn.populations[p]); }, sum.by_layer);
    add_at(part.events, turn.projections, sum.events);
    add_at(part.deliveries, turn.projections, sum.deliveries);
    for (size_t link = 0; link < part.link_flits.size(); ++link)
      sum.link_flits[link] += part.link_flits[link];
    for (const StepResult& step : part.steps) sum.earlier.add(step);
    sum.overruns += part.overruns;
    sum.cores_used = std::max(sum.cores_used, part.cores_used);
    sum.tiles_used = std::max(sum.tiles_used, part.tiles_used);
    sum.chips_used = std::max(sum.chips_used, part.chips_used);
  }
  sum.earlier.total.fired = fired;
  sum.earlier.total.updated = updated;
  return sum;
}

}  // namespace spikeloom
