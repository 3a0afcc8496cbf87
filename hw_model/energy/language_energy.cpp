#include "hw_model/energy/language_energy.hpp"

namespace spikeloom {
namespace {

HeadSplit split(const SchemeReport& scheme, const std::string& head) {
  double left_out = 0;
  for (const EnergyLine& line : scheme.lines) left_out += line.layer == head ? line.energy_pJ : 0;
  const auto samples = static_cast<double>(scheme.samples);
  return {scheme.scheme, scheme.pricing, scheme.evidence, scheme.total_pJ / samples,
          (scheme.total_pJ - left_out) / samples};
}

}  // namespace

std::optional<LanguageEnergy> language_energy(const EnergyReport& energy, const RunCounts& run) {
  const auto& stream = run.executed().stream;
  if (!stream || !run.dense_twin) return std::nullopt;
  LanguageEnergy result;
  result.head = stream->head;
  result.claim = stream->claim;
  std::vector<SchemeName> schemes{Scheme::kPaper, Scheme::kAsBuilt, Scheme::kEventDecomposed,
                                  Scheme::kDenseTwin};
  for (const DenseBaseline& other : run.other_baselines) schemes.emplace_back(other.scheme);
  std::vector<Pricing> pricings{Arithmetic::kFp32, Arithmetic::kInt8};
  if (energy.executed_precision != Arithmetic::kFp32)
    pricings.insert(pricings.begin(), {energy.executed_precision, true});
  for (const Pricing pricing : pricings) {
    const Pricing dense = pricing.as_run ? Pricing(Arithmetic::kFp32) : pricing;
    const HeadSplit twin = split(*energy.find(Scheme::kDenseTwin, dense), result.head);
    for (const SchemeName& scheme : schemes) {
      const SchemeReport* priced = energy.find(scheme, pricing);
      if (priced == nullptr) continue;  // a baseline, of which no layer ran narrow
      HeadSplit row = split(*priced, result.head);
      row.times_with_head = twin.with_head_pJ / row.with_head_pJ;
      row.times_without_head = twin.without_head_pJ / row.without_head_pJ;
      result.rows.push_back(std::move(row));
    }
  }
  const CountTotals& totals = run.executed().ops.totals;
  const double updates = static_cast<double>(totals.firing_updates);
  result.assumptions = assumptions_of(
      result.claim, updates > 0 ? static_cast<double>(totals.spikes) / updates : 0.0);
  return result;
}

}  // namespace spikeloom
