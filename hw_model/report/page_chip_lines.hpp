#pragma once
// Energy and latency of many runs on chips as lines over a swept key; a part of page_chips.cpp.

#include <string>

#include "hw_model/report/chip_report.hpp"

namespace spikeloom {

// Over the first key with two different values that are all numbers, a line for each combination of
// the other keys and for each accelerator. HTML; "" without such a key.
std::string page_chip_lines(const ChipReport& report);

}  // namespace spikeloom
