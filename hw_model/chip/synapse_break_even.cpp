#include "hw_model/chip/synapse_break_even.hpp"

#include "core/error.hpp"
#include "core/io/hint.hpp"

namespace spikeloom {
namespace {

double value_of(const MaybeConstant& constant) {
  return constant ? constant->value : 0.0;
}

}  // namespace

SynapseCosts synapse_costs(const ChipSpec& chip, const DenseSpec& dense, int64_t rate_steps,
                           double fan_in) {
  const auto price = [&](UnitKind kind) {
    const auto unit = find_unit(chip, kind, "", SynapseFormat::kDense);
    return unit ? value_of(chip.units[*unit].event.energy_pj) : 0.0;
  };
  SynapseCosts costs;
  costs.mac_pj = value_of(mac_price(dense, rate_steps));
  costs.event_pj = price(UnitKind::kSynapse) + price(UnitKind::kAccumulate);
  if (dense.relative || costs.mac_pj <= 0) {
    throw Error(ErrorCode::kUsage, in_quotes(dense.name) + " has no price in pJ for a " +
                                       std::string(name_of(dense.format)) + " multiply-accumulate");
  }
  if (costs.event_pj <= 0) {
    throw Error(ErrorCode::kUsage, in_quotes(chip.name) + " has no price for a synaptic event");
  }
  const auto soma = find_unit(chip, UnitKind::kSoma);
  if (fan_in > 0 && soma) {
    const UnitSpec& unit = chip.units[*soma];
    costs.neuron_pj_per_synapse =
        (value_of(unit.access.energy_pj) + value_of(unit.update.energy_pj)) / fan_in;
  }
  return costs;
}

double break_even_spikes(const SynapseCosts& costs, int64_t steps) {
  return (costs.mac_pj - static_cast<double>(steps) * costs.neuron_pj_per_synapse) / costs.event_pj;
}

double energy_ratio(const SynapseCosts& costs, double rate, int64_t steps) {
  return static_cast<double>(steps) * (rate * costs.event_pj + costs.neuron_pj_per_synapse) /
         costs.mac_pj;
}

std::vector<BreakEvenRow> break_even_table(const SynapseCosts& costs, int64_t most_steps,
                                           const std::vector<double>& rates) {
  std::vector<BreakEvenRow> table;
  for (int64_t steps = 1; steps <= most_steps; ++steps) {
    BreakEvenRow row{steps, break_even_spikes(costs, steps) / static_cast<double>(steps), {}};
    for (const double rate : rates) row.ratios.push_back(energy_ratio(costs, rate, steps));
    table.push_back(std::move(row));
  }
  return table;
}

}  // namespace spikeloom
