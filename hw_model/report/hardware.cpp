#include "hw_model/report/hardware.hpp"

#include <fmt/format.h>

#include "hw_model/report/chip_json.hpp"

namespace spikeloom {

using Json = nlohmann::json;

const char* const kHardwareFormula =
    "E = sum over operations of the chip(count * price) + static, idle and synchronisation power * "
    "time + host; memory, state and routing where the chip prices them, the stem once per sample, "
    "attention as coincidences of K and V + ones(Q) * d";

std::string weight_text(const ChipRun& run) {
  return fmt::format("{}-bit weights", run.weight_bits);
}

Json hardware_json(const std::optional<ChipRun>& run) {
  if (!run) return nullptr;
  constexpr double kPjPerJoule = 1e12, kNjPerJoule = 1e9;
  const auto samples = static_cast<double>(run->samples);
  Json json{{"scheme", "hardware"},
            {"form", "fused"},
            {"precision", weight_text(*run)},
            {"evidence", "estimated"},
            {"formula", kHardwareFormula},
            {"chip", run->chip},
            {"level", name_of(run->level)},
            {"mapper", run->mapper},
            {"weakest_evidence", std::string(1, run->weakest)},
            {"latency_s", run->known.time ? Json(run->latency_s) : Json()},
            {"priced_share", run->coverage.priced},
            {"on_chip_share", run->coverage.on_chip},
            {"total_pJ", run->total_j * samples * kPjPerJoule},
            {"total_nJ", run->total_j * samples * kNjPerJoule},
            {"per_sample_nJ", run->total_j * kNjPerJoule},
            {"unpriced", Json::array()}};
  for (const std::string& term : run->unpriced) json["unpriced"].push_back({{"text", term}});
  const Json whole = chip_run_json(*run);
  for (const char* key : {"chip_source", "mapping", "samples", "steps", "network", "used",
                          "energy_per_inference", "time_per_inference", "synaptic_work", "totals",
                          "operations", "layers", "host", "break_even"}) {
    json["run"][key] = whole.at(key);
  }
  return json;
}

std::vector<std::pair<std::string, double>> hardware_parts(const ChipRun& run) {
  std::vector<std::pair<std::string, double>> parts;
  for (const ChipRun::Layer& layer : run.layers) parts.emplace_back(layer.name, layer.joules);
  const std::pair<const char*, double> others[] = {{"static", run.static_j},
                                                   {"idle", run.idle_j},
                                                   {"synchronisation", run.sync_j},
                                                   {"host", run.host_j}};
  for (const auto& [name, joules] : others) {
    if (joules > 0) parts.emplace_back(name, joules * static_cast<double>(run.samples));
  }
  return parts;
}

}  // namespace spikeloom
