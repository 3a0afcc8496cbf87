#pragma once
// Two or more reports side by side: figures with ratios to the first, then every assumption that
// differs.
//
// Report files are untrusted: whatever is missing or of the wrong type is Error(kData) naming
// report and key.

#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "hw_model/report/section.hpp"

namespace spikeloom {

struct NamedReport {
  std::string name;  // file name, appears in columns and errors
  nlohmann::json json;
};

struct ComparisonResult {
  std::vector<Section> sections;  // figures, then assumptions that differ
  nlohmann::json json = {};       // {reports, lacks, rows: [{name, unit, values, ratios, basis}],
                                  // differences: [{key, values}]}
};

// Throws Error(kUsage) for fewer than two reports, Error(kData) for a report without the keys it
// needs.
ComparisonResult compare(const std::vector<NamedReport>& reports);

}  // namespace spikeloom
