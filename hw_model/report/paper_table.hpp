#pragma once
// Runs as a table of a paper: one row each, one unit per column. Reports are untrusted and may be
// of older versions: what one lacks is an empty cell. Thread-safe: pure functions.

#include <vector>

#include "hw_model/report/compare.hpp"
#include "hw_model/report/section.hpp"

namespace spikeloom {

// Columns without any value are left out. Throws Error(kUsage) for no report, Error(kData) for one
// that is none.
Section paper_table(const std::vector<NamedReport>& reports);

}  // namespace spikeloom
