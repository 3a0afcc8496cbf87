#pragma once
// Many runs on chips as one page: a sweep (`spikeloom chip --html`) or several reports
// (`spikeloom compare --html`). Self-contained like the other pages (page.hpp); texts of reports
// are untrusted and escaped. Thread-safe: pure functions.

#include <string>
#include <vector>

#include "hw_model/report/chip_report.hpp"
#include "hw_model/report/compare.hpp"

namespace spikeloom {

// Energy and latency against the first swept key whose values are numbers, a line for each chip and
// for each combination of the other keys; energies and shares by run; every figure as a table.
std::string sweep_page(const ChipReport& report);

// Both pages start with a verdict over all runs. `result` is compare_chips(reports), which has checked them.
std::string chip_compare_page(const std::vector<NamedReport>& reports,
                              const ComparisonResult& result);
std::string chip_compare_text(const std::vector<NamedReport>& reports,
                              const ComparisonResult& result, size_t width);

}  // namespace spikeloom
