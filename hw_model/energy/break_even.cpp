#include "hw_model/energy/break_even.hpp"

#include <fmt/format.h>

#include <algorithm>

#include "hw_model/energy/energy_table.hpp"

namespace spikeloom {
namespace {

BreakEvenCondition rate_coding_limit(int64_t steps) {
  BreakEvenCondition limit{
      "yan_2024", "Yan et al., arXiv 2409.08290", Quantity::kFiringRate, 0.057, 0.064, "", false};
  if (steps > 16) {
    limit.low = limit.high = 0.03;
    limit.note = "T > 16: sparsity above 97 %";
  } else if (steps > 5) {
    limit.low = 0.064;
    limit.high = 0.08;
    limit.note = "T 5..10: rate below 6.4 % (v2, v3); T = 6: below 7 % or 8 % by dataflow (v1)";
  } else {
    limit.note = "T = 5: rate below 5.7 % (v4), below 6.4 % (v2, v3)";
  }
  limit.nearest = steps < 5 || (steps > 10 && steps <= 16);
  return limit;
}

BreakEvenCondition operations_only(const char* id, Arithmetic precision) {
  const ArithmeticPrices prices = arithmetic_prices(precision, 0);
  const double limit = prices.mac.value_pJ / prices.ac.value_pJ;
  return {id,
          fmt::format("E_MAC / E_AC, {}, {}", name_of(precision), prices.mac.source),
          Quantity::kSpikesPerSynapse,
          limit,
          limit,
          "arithmetic alone: a wins-at-any-rate formula for few steps, no evidence",
          false};
}

double ratio(int64_t count, int64_t per, int64_t samples) {
  const double base = static_cast<double>(per) * static_cast<double>(samples);
  return base > 0 ? static_cast<double>(count) / base : 0.0;
}

void judge(LayerBreakEven& layer, const std::vector<BreakEvenCondition>& conditions) {
  for (const BreakEvenCondition& condition : conditions) {
    layer.positions.push_back(
        position_of(condition.low, condition.high,
                    condition.quantity == Quantity::kSpikesPerSynapse ? layer.s : layer.rate));
  }
}

}  // namespace

std::string_view name_of(Quantity quantity) noexcept {
  constexpr std::string_view kNames[] = {"s", "rate", "events per MAC", "J per inference"};
  return kNames[static_cast<size_t>(quantity)];
}

std::string_view name_of(Position position) noexcept {
  constexpr std::string_view kNames[] = {"below", "inside", "above"};
  return kNames[static_cast<size_t>(position)];
}

Position position_of(double low, double high, double value) {
  if (value < low) return Position::kBelow;
  return value > high ? Position::kAbove : Position::kInside;
}

std::vector<BreakEvenCondition> break_even_conditions(int64_t steps) {
  return {
      {"davidson_furber_2021", "Davidson & Furber, Front. Neurosci. 15:651141 (2021)",
       Quantity::kSpikesPerSynapse, 12.0 / 7.0, 12.0 / 7.0,
       "22FDX unit costs: ANN operation 12E, SNN operation 7E (printed 1.72)", false},
      {"dampfhoffer_2023", "Dampfhoffer et al., IEEE TETCI 7(3):731 (2023)",
       Quantity::kSpikesPerSynapse, 0.15, 1.38,
       "IF neuron; the limit depends on how well the ANN accelerator reuses data", false},
      rate_coding_limit(steps),
      {"shen_2024", "Shen et al., CVPR 2024 (bit budget; quoted second-hand)",
       Quantity::kFiringRate, 0.10, 0.15, "advantage below about 10 to 15 % firing", false},
      operations_only("operations_fp32", Arithmetic::kFp32),
      operations_only("operations_int8", Arithmetic::kInt8),
  };
}

BreakEvenReport break_even(const OpCounts& counts, int64_t steps, int weight_bits) {
  BreakEvenReport report;
  report.form = counts.form;
  report.bit_budget = steps * weight_bits;
  report.conditions = break_even_conditions(steps);
  report.network.name = "network";
  int64_t adds = 0, synapses = 0, weights = 0;
  // Values a sample tells one after the other: 1, or the positions of a sequence.
  const int64_t values =
      std::max<int64_t>(1, counts.evaluations / std::max<int64_t>(1, counts.samples * steps));
  if (values > 1) report.per = "step";
  for (const LayerCount& layer : counts.layers) {
    if (!layer.spike_operand || counts.evaluations <= 0) continue;
    const int64_t connections = layer.dense_macs / counts.evaluations;
    LayerBreakEven row;
    row.name = layer.name;
    row.s = ratio(layer.event_adds, connections, counts.samples * values);
    row.event_adds_per_weight = ratio(layer.event_adds, layer.weights, counts.samples);
    row.rate = ratio(layer.input_events, layer.input_elements, 1);
    judge(row, report.conditions);
    report.layers.push_back(std::move(row));
    adds += layer.event_adds;
    synapses += connections;
    weights += layer.weights;
  }
  report.network.s = ratio(adds, synapses, counts.samples * values);
  report.network.event_adds_per_weight = ratio(adds, weights, counts.samples);
  report.network.rate = ratio(counts.totals.spikes, counts.totals.firing_updates, 1);
  if (report.layers.empty()) report.conditions.clear();
  judge(report.network, report.conditions);
  return report;
}

}  // namespace spikeloom
