#include "models/layers/check_arrays.hpp"

#include <fmt/format.h>

#include <algorithm>

#include "core/error.hpp"

namespace spikeloom {
namespace {

// One value, one per channel or one per neuron; channels are last.
struct Values {
  std::string array;  // empty: a number
  std::vector<double> values;
  double at(size_t neuron) const { return values[neuron % values.size()]; }
};

Values values_of(const char* parameter, const LayerRow& row, const LayerArrays& arrays,
                 const Weights& stored) {
  const auto named = row.arrays.find(parameter);
  if (named == row.arrays.end()) return {"", {row.neuron[parameter].value}};
  const auto number = arrays.numbers.find(named->second);
  if (number != arrays.numbers.end()) return {named->second, {number->second}};
  if (!stored.contains(named->second)) return {};  // building says so
  const auto from = stored.at(named->second).data.f32();
  return {named->second, {from.begin(), from.end()}};
}

void check_thresholds(const LayerRow& row, const LayerArrays& arrays, const Weights& stored) {
  const Values threshold = values_of("v_threshold", row, arrays, stored);
  const Values reset = values_of("v_reset", row, arrays, stored);
  if (threshold.values.empty() || reset.values.empty()) return;
  const size_t neurons = std::max(threshold.values.size(), reset.values.size());
  for (size_t i = 0; i < neurons; ++i) {
    if (threshold.at(i) > reset.at(i)) continue;
    throw Error(ErrorCode::kData,
                fmt::format("layer {}: v_threshold must lie above v_reset; of neuron or channel {} "
                            "they are {} and {} ({})",
                            row.name, i, threshold.at(i), reset.at(i),
                            threshold.array.empty() ? reset.array : threshold.array));
  }
}

}  // namespace

void check_arrays(const LayerRow& row, const LayerArrays& arrays, const Weights& stored) {
  if (row.kind != LayerKind::kNeuron || row.arrays.empty()) return;
  const NeuronSpec& spec = row.neuron;
  if (row.resets_to_value() && spec.has("v_threshold") && spec.has("v_reset"))
    check_thresholds(row, arrays, stored);
  for (const char* tau : {"tau", "tau_mem", "tau_syn"}) {
    if (!row.needs_whole_steps() || row.arrays.count(tau) == 0) continue;
    const Values taus = values_of(tau, row, arrays, stored);
    const double dt = spec["dt"].value;
    for (size_t i = 0; i < taus.values.size(); ++i) {
      if (taus.values[i] >= dt) continue;
      throw Error(ErrorCode::kData,
                  fmt::format("layer {}: {}: element {} is {}: {} is shorter than a step, "
                              "model.dt = {}",
                              row.name, taus.array, i, taus.values[i], tau, dt));
    }
  }
}

}  // namespace spikeloom
