#include <fmt/format.h>

#include "core/io/text.hpp"
#include "hw_model/report/chip_sections.hpp"

namespace spikeloom {

std::string chip_table(const ChipReport& report, size_t width) {
  const bool one = report.runs.size() == 1 && report.runs[0].refused.empty();
  const ChipVerdict verdict = one ? verdict_of(report.runs[0]) : verdict_of(report);
  std::string out = wrap(fmt::format("{}: {}", name_of(verdict.outcome),
                                     one ? headline_of(report.runs[0]) : verdict.text),
                         4, width);
  if (report.labelled > 0) {
    out += fmt::format(
        "accuracy of the recorded run: {} ({} of {})\n",
        percent_text(static_cast<double>(report.correct) / static_cast<double>(report.labelled)),
        report.correct, report.labelled);
  }
  if (!one) return out + to_text(chips_sections(report), width);
  for (const std::string& line : chip_lines(report.runs[0])) out += wrap(line, 2, width);
  std::vector<Section> sections = chip_sections(report.runs[0]);
  sections.push_back(accelerators_section(report));
  return out + to_text(sections, width);
}

}  // namespace spikeloom
