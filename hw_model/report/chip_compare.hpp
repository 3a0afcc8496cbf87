#pragma once
// Chip reports side by side: the runs of all of them in one table, ratios to the first.
//
// Report files are untrusted: whatever is missing or of the wrong type is Error(kData) naming
// report and key.

#include "hw_model/report/chip_report.hpp"
#include "hw_model/report/compare.hpp"

namespace spikeloom {

// Is this the JSON of a chip report?
bool is_chip_report(const nlohmann::json& json);

// The chip that a run's own report priced; nothing where it has none, or one that cannot be read.
std::optional<ChipRun> chip_of(const nlohmann::json& report);

// The runs and accelerators of all reports, labels tagged with "[1]", "[2]", as far as tables and
// pages show them.
ChipReport chips_of(const std::vector<NamedReport>& reports);

// JSON: {reports, runs: [{report, label, ..., ratio}], differences: [{key, values}]}. Throws
// Error(kUsage) for fewer than two runs in all.
ComparisonResult compare_chips(const std::vector<NamedReport>& reports);

}  // namespace spikeloom
