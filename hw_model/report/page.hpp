#pragma once
// The pages of `spikeloom inspect --html` and `spikeloom compare --html`: one self-contained file,
// no script, nothing is loaded; on paper, in the dark and on a narrow screen too.
//
// Every picture has the table behind it; every choice (layer, samples, neurons, bins) is stated.
// Texts of traces and reports are untrusted and escaped. Equal inputs give equal bytes. At most
// kMostRows layers are drawn, the page says so; tables are complete. Thread-safe: pure functions.

#include <optional>
#include <string>
#include <vector>

#include "hw_model/report/report_sections.hpp"
#include "hw_model/report/report_view.hpp"
#include "hw_model/report/trace_view.hpp"

namespace spikeloom {

struct InspectInput {
  std::string name;                  // what the user named, for the title
  const TraceFile* trace = nullptr;  // either may be missing
  const NamedReport* report = nullptr;
  std::string note;  // which of them is missing and why
  size_t layer = 0;  // population of the raster
};

// The default layer: the first population that can be read, else the first.
size_t default_layer(const TraceFile& trace);

// Throws Error(kData) for a report that is none.
std::string inspect_page(const InspectInput& input);

// `result` is compare(reports), which has checked them.
std::string compare_text(const std::vector<NamedReport>& reports, const ComparisonResult& result,
                         size_t width);
std::string compare_page(const std::vector<NamedReport>& reports, const ComparisonResult& result);

}  // namespace spikeloom
