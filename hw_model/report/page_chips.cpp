#include "hw_model/report/page_chips.hpp"

#include <fmt/format.h>

#include "core/io/hint.hpp"
#include "core/io/text.hpp"
#include "hw_model/report/chip_compare.hpp"
#include "hw_model/report/chip_sections.hpp"
#include "hw_model/report/draw/html.hpp"
#include "hw_model/report/report_view.hpp"

namespace spikeloom {
namespace {

std::string verdict_html(const ChipReport& report) {
  const ChipVerdict verdict = verdict_of(report);
  return verdict_box(name_of(verdict.outcome), ": " + verdict.text, mark_of(verdict.outcome));
}

std::string name_line(const std::vector<NamedReport>& reports, size_t r) {
  return fmt::format("[{}] {}", r + 1, reports[r].name);
}

}  // namespace

std::string sweep_page(const ChipReport& report) {
  std::string body = verdict_html(report);
  if (report.labelled > 0)
    body += paragraph(
        fmt::format("The recorded run answered {} of {} right.", report.correct, report.labelled));
  return page(fmt::format("On chips: {} runs", report.runs.size()), report.title,
              body + to_html(chips_sections(report)),
              "Written by spikeloom chip; the page loads nothing and runs no script.");
}

std::string chip_compare_page(const std::vector<NamedReport>& reports,
                              const ComparisonResult& result) {
  const ChipReport all = chips_of(reports);
  std::string body;
  for (size_t r = 0; r < reports.size(); ++r) body += paragraph(name_line(reports, r));
  return page("Chip reports side by side", fmt::format("{} reports", reports.size()),
              body + verdict_html(all) + to_html(chips_sections(all)) + to_html(result.sections),
              "Written by spikeloom compare; the page loads nothing and runs no script.");
}

std::string chip_compare_text(const std::vector<NamedReport>& reports,
                              const ComparisonResult& result, size_t width) {
  std::string out;
  for (size_t r = 0; r < reports.size(); ++r)
    out += wrap(printable(name_line(reports, r)), 4, width);
  return out + chip_table(chips_of(reports), width) + to_text(result.sections, width);
}

}  // namespace spikeloom
