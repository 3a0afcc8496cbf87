#pragma once
// One run on a chip as chip.json holds it.

#include <nlohmann/json.hpp>

#include "hw_model/report/chip_report.hpp"

namespace spikeloom {

nlohmann::json chip_run_json(const ChipRun& run);
nlohmann::json turns_json(const ChipRun& run);

}  // namespace spikeloom
