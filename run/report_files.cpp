#include "run/report_files.hpp"

#include <fmt/format.h>

#include <optional>

#include "core/error.hpp"
#include "core/io/json.hpp"
#include "hw_model/report/page.hpp"

namespace spikeloom {
namespace {

namespace fs = std::filesystem;

// The page of the folder: report and trace as a person reads them.
std::string page_of(const fs::path& name, const nlohmann::json& json, const fs::path& path) {
  const NamedReport report{(name / "report.json").string(), json};
  InspectInput input;
  input.name = name.string();
  input.report = &report;
  std::optional<TraceFile> trace;
  if (path.empty()) {
    input.note = "No trace was recorded (trace.layers): no spikes are drawn.";
    return inspect_page(input);
  }
  try {
    trace.emplace(path);
    input.trace = &*trace;
    input.layer = default_layer(*trace);
    return inspect_page(input);
  } catch (const Error& error) {
    input.trace = nullptr;
    input.note = fmt::format("The trace cannot be drawn: {}", error.what());
    return inspect_page(input);
  }
}

}  // namespace

ReportFiles::ReportFiles(const fs::path& dir)
    : dir_(dir),
      json_(dir / "report.json"),
      csv_(dir / "report.csv"),
      energy_(dir / "energy.csv"),
      page_(dir / "page.html") {}

void ReportFiles::write(const Report& report, const fs::path& trace, const fs::path& name) {
  const nlohmann::json json = to_json(report);
  json_.write(dump_json(json));
  csv_.write(to_csv(report));
  energy_.write(to_energy_csv(report));
  page_.write(page_of(name.empty() ? dir_ : name, json, trace));
  for (OutputFile* file : {&json_, &csv_, &energy_, &page_}) file->commit();
  if (const auto& hardware = report.input.hardware) {
    ChipReport alone;
    alone.runs = {*hardware};
    write_text_file(dir_ / "chip.csv", chip_csv(alone));
  }
}

std::vector<std::string> ReportFiles::names(bool with_chip) {
  std::vector<std::string> names{"report.json", "report.csv", "energy.csv", "page.html"};
  if (with_chip) names.emplace_back("chip.csv");
  return names;
}

}  // namespace spikeloom
