#include <algorithm>

#include "core/io/text.hpp"
#include "hw_model/report/report.hpp"
#include "hw_model/report/report_sections.hpp"

namespace spikeloom {

std::string to_table(const Report& report, size_t width) {
  std::string out = wrap(report.verdict.headline, 7, width);
  for (const std::string& change : report.input.what_if)
    out += wrap("WHAT IF: " + change, 9, width);
  out += wrap("  " + report.verdict.equal_precision, 4, width);
  out += wrap("  " + report.verdict.break_even, 4, width);
  const nlohmann::json json = to_json(report);
  std::vector<Fact> facts = report_facts(json);
  facts.insert(facts.begin(), {"data", report.input.dataset, ""});
  out += '\n' + to_text(facts, width);
  out += to_text(report_sections(json), width);
  for (const std::string& warning : report.input.warnings)
    out += wrap("warning: " + warning, 9, width);
  return out;
}

}  // namespace spikeloom
