#pragma once
// A row of a list that an experiment file holds ([[layer]]): its values by key, as they stand there.
// Who knows what a row means checks them.

#include <cstdint>
#include <map>
#include <string>
#include <variant>
#include <vector>

namespace spikeloom {

// The last one: an array of numbers.
using TableValue = std::variant<bool, int64_t, double, std::string, std::vector<double>>;
using TableRow = std::map<std::string, TableValue, std::less<>>;

}  // namespace spikeloom
