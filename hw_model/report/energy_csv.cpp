// energy.csv: a row for each scheme, form and precision of a run.
#include <fmt/format.h>

#include "hw_model/report/csv.hpp"
#include "hw_model/report/hardware.hpp"
#include "hw_model/report/report.hpp"

namespace spikeloom {
namespace {

std::vector<std::string> scheme_row(const SchemeReport& scheme) {
  const auto samples = static_cast<double>(scheme.samples);
  std::vector<std::string> cells{scheme.scheme.text(),
                                 scheme.is_dense() ? "dense" : "spiking",
                                 name_of(scheme.form),
                                 scheme.pricing.text(scheme.is_dense()),
                                 std::string(name_of(scheme.evidence)),
                                 csv_number(scheme.priced_share),
                                 fmt::format("{}", scheme.samples),
                                 csv_number(scheme.total_pJ * 1e-12),
                                 csv_number(scheme.per_sample_pJ() * 1e-12)};
  for (const Operand operand : kOperands) {
    double pJ = 0;
    for (const EnergyLine& line : scheme.lines) {
      if (line.operand == operand) pJ += line.energy_pJ;
    }
    cells.push_back(csv_number(pJ * 1e-12 / samples));
  }
  return cells;
}

}  // namespace

std::string to_energy_csv(const Report& report) {
  std::string csv = csv_line({"scheme", "kind", "form", "precision", "evidence", "priced_fraction",
                              "samples", "total_J", "per_sample_J", "per_sample_spikes_J",
                              "per_sample_real_J", "per_sample_attention_J"});
  for (const SchemeReport& scheme : report.energy.schemes) csv += csv_line(scheme_row(scheme));
  if (const std::optional<ChipRun>& chip = report.input.hardware) {
    csv += csv_line({"hardware", "spiking", "fused", weight_text(*chip),
                     std::string(name_of(Evidence::kEstimated)), csv_number(chip->coverage.priced),
                     fmt::format("{}", chip->samples),
                     csv_number(chip->total_j * static_cast<double>(chip->samples)),
                     csv_number(chip->total_j), "", "", ""});
  }
  return csv;
}

}  // namespace spikeloom
