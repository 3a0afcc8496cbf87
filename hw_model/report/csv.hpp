#pragma once
// Lines of CSV files (RFC 4180). Thread-safe: pure functions.

#include <string>
#include <string_view>
#include <vector>

namespace spikeloom {

// Cells that hold commas, quotes or line breaks are quoted.
std::string csv_cell(std::string_view cell);
std::string csv_line(const std::vector<std::string>& cells);
// The shortest text that reads back as the number; "" for what is not finite.
std::string csv_number(double value);

}  // namespace spikeloom
