#include <algorithm>

#include "hw_model/chip/replay.hpp"

namespace spikeloom {
namespace {

constexpr double kJoulesPerPj = 1e-12, kSecondsPerNs = 1e-9;

double value_or_zero(const MaybeConstant& constant) {
  return constant ? constant->value : 0;
}

}  // namespace

ChipPower power_of(const ChipSpec& chip, const ReplayResult& result) {
  const auto chips = static_cast<double>(result.chips_used);
  const auto cores = static_cast<double>(
      chip.power.gate_unused_cores ? result.cores_used : result.chips_used * chip.cores_per_chip());
  ChipPower power;
  power.leakage_w = chips * value_or_zero(chip.power.static_w) +
                    cores * value_or_zero(chip.power.static_w_per_core);
  for (const MemorySpec& memory : chip.memories) {
    power.leakage_w += cores * value_or_zero(memory.leakage_w);
  }
  if (chip.power.idle_w_per_mhz) {
    power.idle_w =
        chips * chip.power.idle_w_per_mhz->value * value_or_zero(chip.power.clock_hz) / 1e6;
  }
  return power;
}

double energy_of_row(const std::vector<PricedOp>& ops, const int64_t* counts) {
  double picojoules = 0;
  for (size_t op = 0; op < ops.size(); ++op) {
    if (ops[op].cost.energy_pj) {
      picojoules += static_cast<double>(counts[op]) * ops[op].cost.energy_pj->value;
    }
  }
  return picojoules * kJoulesPerPj;
}

ChipEnergy energy_of(const ChipSpec& chip, const ReplayResult& result) {
  ChipEnergy energy;
  for (size_t op = 0; op < result.ops.size(); ++op) {
    const PricedOp& row = result.ops[op];
    auto term = std::find_if(energy.dynamic.begin(), energy.dynamic.end(),
                             [&](const auto& known) { return known.name == row.category; });
    if (term == energy.dynamic.end()) {
      term = energy.dynamic.insert(energy.dynamic.end(), {row.category, 0});
    }
    if (!row.cost.energy_pj) continue;
    term->joules +=
        static_cast<double>(result.count(op)) * row.cost.energy_pj->value * kJoulesPerPj;
  }
  for (const ChipEnergy::Term& term : energy.dynamic) energy.dynamic_j += term.joules;
  if (result.level == Level::kCounts) return energy;
  const double seconds = result.total().time_ns * kSecondsPerNs;
  const ChipPower power = power_of(chip, result);
  energy.static_j = power.leakage_w * seconds;
  energy.idle_j = power.idle_w * seconds;
  energy.sync_j = static_cast<double>(result.step_count()) *
                  static_cast<double>(result.chips_used) * value_or_zero(chip.sync.energy_pj) *
                  kJoulesPerPj;
  return energy;
}

double ChipEnergy::of(std::string_view category) const noexcept {
  for (const Term& term : dynamic) {
    if (term.name == category) return term.joules;
  }
  return 0;
}

char weakest_evidence(const ChipSpec& chip, const ReplayResult& result) {
  char weakest = 'S';
  const auto see = [&](const MaybeConstant& constant) {
    if (constant) weakest = weaker_mark(weakest, constant->mark);
  };
  for (size_t op = 0; op < result.ops.size(); ++op) {
    if (result.count(op) == 0) continue;
    see(result.ops[op].cost.energy_pj);
    if (result.level != Level::kCounts) see(result.ops[op].cost.latency_ns);
  }
  if (result.level == Level::kCounts) return weakest;
  see(chip.power.static_w);
  see(chip.power.static_w_per_core);
  see(chip.power.idle_w_per_mhz);
  see(chip.sync.energy_pj);
  if (!chip.sync.barrier_ns.empty()) weakest = weaker_mark(weakest, chip.sync.barrier_mark);
  if (result.total().hops > 0) see(chip.noc.link_ns_per_flit);
  return weakest;
}

std::vector<std::string> unpriced_operations(const ReplayResult& result) {
  std::vector<std::string> names;
  for (size_t op = 0; op < result.ops.size(); ++op) {
    const PricedOp& row = result.ops[op];
    if (!row.cost.energy_pj && row.action != Action::kSlots && result.count(op) > 0) {
      names.push_back(row.name);
    }
  }
  return names;
}

}  // namespace spikeloom
