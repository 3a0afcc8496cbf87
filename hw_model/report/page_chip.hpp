#pragma once
// The page of `spikeloom chip --html`: where on the chip the work is done, which links carry it,
// what costs energy. Self-contained like the other pages (page.hpp). Thread-safe: pure functions.

#include <string>

#include "hw_model/report/chip_report.hpp"

namespace spikeloom {

// `run` and `result` of the same replay on `chip`.
std::string chip_page(const std::string& title, const ChipRun& run, const ChipSpec& chip,
                      const ReplayResult& result);

}  // namespace spikeloom
