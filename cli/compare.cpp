// spikeloom compare: energy reports side by side.

#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <filesystem>

#include "cli/options.hpp"
#include "cli/progress.hpp"
#include "core/error.hpp"
#include "core/io/file.hpp"
#include "core/io/hint.hpp"
#include "core/io/json.hpp"
#include "hw_model/report/chip_compare.hpp"
#include "hw_model/report/compare.hpp"
#include "hw_model/report/page.hpp"
#include "hw_model/report/page_chips.hpp"
#include "hw_model/report/paper_table.hpp"
#include "run/inspect_page.hpp"

namespace spikeloom {
namespace {

std::filesystem::path report_file(const std::filesystem::path& path) {
  if (!std::filesystem::is_directory(path)) return path;
  const bool chip =
      !std::filesystem::exists(path / "report.json") && std::filesystem::exists(path / "chip.json");
  return path / (chip ? "chip.json" : "report.json");
}

// Tables with a row for each run.
struct PaperFormat {
  const char* option;
  std::string (*print)(const Section&);
};
constexpr PaperFormat kPaperFormats[] = {
    {"markdown", to_markdown}, {"latex", to_latex}, {"csv", [](const Section& section) {
                                                       return to_csv(section.table);
                                                     }}};

}  // namespace

int command_compare(const Arguments& arguments) {
  CommandLine line{
      "spikeloom compare REPORT.json REPORT.json... [--json | --html FILE | --markdown | --latex | "
      "--csv]",
      "Puts reports side by side: accuracy, rates, operations and energies with ratios to the "
      "first, then every\nassumption that differs. A folder stands for the report.json in it, or "
      "for the chip.json of spikeloom chip:\nchip reports are compared with each other."};
  add_options(line,
              {{"json", nullptr, "print the comparison as JSON"},
               {"html", text(), "write a page with pictures instead"},
               {"markdown", nullptr, "print a table for a text: a row for each run"},
               {"latex", nullptr, "the same for a paper, as a tabular of booktabs"},
               {"csv", nullptr, "the same as CSV, unrounded, with units in the names of columns"}});
  line.hidden.add_options()("reports", options::value<std::vector<std::string>>());
  line.words.add("reports", -1);
  const auto values = parse(line, arguments);
  if (!values) return 0;
  std::vector<NamedReport> reports;
  if (values->count("reports")) {
    for (const std::string& name : (*values)["reports"].as<std::vector<std::string>>()) {
      reports.push_back({name, load_json(report_file(name))});
    }
  }
  const PaperFormat* paper = nullptr;
  size_t outputs = values->count("json") + values->count("html");
  for (const PaperFormat& format : kPaperFormats) {
    if (values->count(format.option) == 0) continue;
    paper = &format;
    ++outputs;
  }
  if (outputs > 1) {
    throw usage_error("give one of --json, --html, --markdown, --latex and --csv; usage: " +
                      line.usage);
  }
  const auto chips = std::count_if(reports.begin(), reports.end(), [](const NamedReport& report) {
    return is_chip_report(report.json);
  });
  if (chips > 0 && chips < static_cast<int64_t>(reports.size()))
    throw usage_error("chip reports can be compared with each other only");
  if (paper != nullptr) {
    if (chips > 0) {
      throw Error(
          ErrorCode::kUsage,
          fmt::format("--{} is for reports of runs; chip --out writes chip.csv", paper->option));
    }
    fmt::print("{}", paper->print(paper_table(reports)));
    return 0;
  }
  const ComparisonResult result = chips > 0 ? compare_chips(reports) : compare(reports);
  if (values->count("html")) {
    const std::string file = text_of(*values, "html");
    for (const NamedReport& report : reports) refuse_overwriting(file, report_file(report.name));
    write_text_file(file,
                    chips > 0 ? chip_compare_page(reports, result) : compare_page(reports, result));
    fmt::print("wrote {}\n", printable(file));
    return 0;
  }
  if (values->count("json")) {
    fmt::print("{}", dump_json(result.json));
    return 0;
  }
  const size_t width = std::clamp<size_t>(terminal_width(STDOUT_FILENO, 100), 60, 100);
  fmt::print("{}", chips > 0 ? chip_compare_text(reports, result, width)
                             : compare_text(reports, result, width));
  return 0;
}

}  // namespace spikeloom
