#pragma once
// Scheme `hardware` of a report: what a chip needs for the spikes of the run, beside the schemes
// that price arithmetic alone. Thread-safe: pure functions.

#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "hw_model/report/chip_report.hpp"

namespace spikeloom {

extern const char* const kHardwareFormula;
std::string weight_text(const ChipRun& run);  // "8-bit weights"

// Null without a chip. Beside the keys of the other schemes: chip, level, mapper, evidence,
// latency, and under `run` what chip.json says of it, but for the cores.
nlohmann::json hardware_json(const std::optional<ChipRun>& run);

// Joules over the whole run that add up to its energy: dynamic energy by population, then static,
// idle, synchronisation and host where there are any.
std::vector<std::pair<std::string, double>> hardware_parts(const ChipRun& run);

}  // namespace spikeloom
