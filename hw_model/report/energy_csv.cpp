// energy.csv: a row for each scheme, form and precision of a run.
#include "hw_model/report/hardware.hpp"
#include "hw_model/report/report.hpp"
#include "hw_model/report/section.hpp"

namespace spikeloom {

std::string to_energy_csv(const Report& report) {
  constexpr double kJoulePerPj = 1e-12;
  Table table = table_of(
      "scheme,kind,form,precision,evidence,priced_fraction,samples,total_J,per_sample_J,"
      "per_sample_spikes_J,per_sample_real_J,per_sample_attention_J");
  const auto number = [](double value) { return Cell(Show::kNumber, value); };
  for (const SchemeReport& scheme : report.energy.schemes) {
    std::map<std::string, Cell> cells{
        {"scheme", scheme.scheme.text()},
        {"kind", scheme.is_dense() ? "dense" : "spiking"},
        {"form", name_of(scheme.form)},
        {"precision", scheme.pricing.text(scheme.is_dense())},
        {"evidence", name_of(scheme.evidence)},
        {"priced_fraction", number(scheme.priced_share)},
        {"samples", scheme.samples},
        {"total_J", number(scheme.total_pJ * kJoulePerPj)},
        {"per_sample_J", number(scheme.per_sample_pJ() * kJoulePerPj)}};
    for (const Operand operand : kOperands) {
      double pJ = 0;
      for (const EnergyLine& line : scheme.lines) {
        if (line.operand == operand) pJ += line.energy_pJ;
      }
      cells.insert({"per_sample_" + std::string(name_of(operand)) + "_J",
                    number(pJ * kJoulePerPj / static_cast<double>(scheme.samples))});
    }
    add_row(table, std::move(cells));
  }
  if (const std::optional<ChipRun>& chip = report.input.hardware) {
    add_row(table, {{"scheme", "hardware"},
                    {"kind", "spiking"},
                    {"form", name_of(GraphForm::kFused)},
                    {"precision", weight_text(*chip)},
                    {"evidence", name_of(Evidence::kEstimated)},
                    {"priced_fraction", number(chip->coverage.priced)},
                    {"samples", chip->samples},
                    {"total_J", number(chip->total_j * static_cast<double>(chip->samples))},
                    {"per_sample_J", number(chip->total_j)}});
  }
  return to_csv(table);
}

}  // namespace spikeloom
