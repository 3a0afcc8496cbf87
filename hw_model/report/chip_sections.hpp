#pragma once
// The sections of chip reports: one run in full, or many beside each other. What `spikeloom chip`
// and `compare` print is what their pages show. Thread-safe: pure functions.

#include <string>
#include <vector>

#include "hw_model/report/chip_break_even.hpp"
#include "hw_model/report/chip_report.hpp"
#include "hw_model/report/section.hpp"

namespace spikeloom {

// What ran, on how much of the chip, what sets its pace: sentences.
std::vector<std::string> chip_lines(const ChipRun& run);
// What one run concludes: energy per inference and verdict_of().
std::string headline_of(const ChipRun& run);
// Energy, figures per inference, break-even, layers, turns, prices, what has none.
std::vector<Section> chip_sections(const ChipRun& run);
// Rows that another model priced; empty where there are none.
Section accelerators_section(const ChipReport& report);
// The same in short: a block of another report.
Section hardware_section(const ChipRun& run);

// Lines over the swept key, energy and figures of all runs, categories, break-even, what has no
// price, what was refused.
std::vector<Section> chips_sections(const ChipReport& report);
// Whether the runs agree, how many say what, and which needs least energy.
ChipVerdict verdict_of(const ChipReport& report);
// Energy and latency over the first swept key with two different values that are all numbers, a line
// for each combination of the other keys and for each accelerator; none without such a key.
std::vector<Section> chip_line_sections(const ChipReport& report);

}  // namespace spikeloom
