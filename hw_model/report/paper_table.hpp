#pragma once
// Runs as a table of a paper: one row each, one unit per column. Reports are untrusted and may be
// of older versions: what one lacks is an empty cell. Thread-safe: pure functions.

#include <string>
#include <vector>

#include "hw_model/report/compare.hpp"

namespace spikeloom {

struct PaperColumn {
  std::string key;      // of CSV, with its unit: "as_built_per_sample_J"
  std::string heading;  // "E as_built"
  std::string unit;     // SI: "J", "%" (of fractions), "" for counts and texts
  std::string meaning;  // a line below the table
  bool text = false;
  std::vector<std::string> texts = {};
  std::vector<double> values = {};  // NaN: not known
  std::vector<double> priced = {};  // of energies: share of the synaptic work that has a price
};

// Columns without any value are left out. Throws Error(kUsage) for no report, Error(kData) for one
// that is none.
std::vector<PaperColumn> paper_table(const std::vector<NamedReport>& reports);

// A column of Markdown or LaTeX has one SI prefix, chosen by its largest value and written in its
// head; four significant digits. CSV has unrounded values in the unit its key names.
std::string to_markdown(const std::vector<PaperColumn>& table);
std::string to_latex(const std::vector<PaperColumn>& table);  // needs booktabs alone
std::string to_csv(const std::vector<PaperColumn>& table);

}  // namespace spikeloom
