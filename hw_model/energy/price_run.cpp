// All schemes of a run, what of it ran and what is estimated.

#include <fmt/format.h>

#include <algorithm>

#include "hw_model/energy/energy.hpp"

namespace spikeloom {

std::string_view name_of(Evidence evidence) noexcept {
  constexpr std::string_view kNames[] = {"ran", "recorded", "estimated"};
  return kNames[static_cast<size_t>(evidence)];
}

namespace {

constexpr std::string_view kSchemes[] = {"paper",      "as_built", "event",      "event_decomposed",
                                         "neurobench", "syops",    "dense_same", "dense_twin"};

}  // namespace

std::string SchemeName::text() const {
  return scheme == Scheme::kDenseOther ? baseline
                                       : std::string(kSchemes[static_cast<size_t>(scheme)]);
}

std::optional<SchemeName> scheme_named(std::string_view text) {
  const auto* known = std::find(std::begin(kSchemes), std::end(kSchemes), text);
  if (known != std::end(kSchemes)) return static_cast<Scheme>(known - std::begin(kSchemes));
  if (text.starts_with("dense_")) return SchemeName(std::string(text));
  return std::nullopt;
}

std::string Pricing::text(bool dense) const {
  const std::string name(name_of(precision));
  return dense || as_run || precision == Arithmetic::kFp32 ? name : name + " throughout";
}

std::string SchemeReport::label() const {
  return fmt::format("{} ({}{}, {})", scheme.text(),
                     is_dense() ? "" : std::string(name_of(form)) + ", ", pricing.text(is_dense()),
                     name_of(evidence));
}

const SchemeReport* EnergyReport::find(const SchemeName& scheme, Pricing pricing,
                                       std::optional<GraphForm> form) const {
  const SchemeReport* any = nullptr;
  for (const SchemeReport& report : schemes) {
    const bool priced_so =
        report.pricing.precision == pricing.precision && report.pricing.as_run == pricing.as_run;
    if (report.scheme != scheme || !priced_so) continue;
    if (report.form == form.value_or(executed_form)) return &report;
    if (!form && any == nullptr) any = &report;
  }
  return any;
}

const SchemeReport* EnergyReport::of_run(const SchemeName& scheme,
                                         std::optional<GraphForm> form) const {
  const bool layer_by_layer = executed_precision != Arithmetic::kFp32 && !scheme.is_dense();
  return find(scheme, {executed_precision, layer_by_layer}, form);
}

std::vector<const CountedGraph*> RunCounts::forms() const {
  if (!has_fused) return {&as_written};
  return {&as_written, &fused};
}

bool RunCounts::spikes_drive_layers() const {
  const auto& layers = executed().ops.layers;
  return std::any_of(layers.begin(), layers.end(),
                     [](const LayerCount& layer) { return layer.spike_operand; });
}

namespace {

void price_spiking(const RunCounts& run, Pricing pricing, EnergyReport& report) {
  const size_t first = report.schemes.size();
  report.schemes.push_back(paper_energy(*run.forms().back(), pricing));
  for (const CountedGraph* counted : run.forms()) {
    report.schemes.push_back(as_built_energy(*counted, pricing));
    report.schemes.push_back(event_energy(*counted, pricing));
  }
  if (run.executed().stream) report.schemes.push_back(decomposed_energy(run.executed(), pricing));
  if (run.neurobench)
    report.schemes.push_back(neurobench_energy(*run.neurobench, run.executed(), pricing));
  for (const CountedGraph* counted : run.forms())
    report.schemes.push_back(syops_energy(*counted, pricing));
  const bool layer_by_layer = report.executed_precision != Arithmetic::kFp32;
  for (size_t i = first; i < report.schemes.size(); ++i) {
    SchemeReport& row = report.schemes[i];
    const bool as_executed = row.form == run.executed_form &&
                             pricing.precision == report.executed_precision &&
                             pricing.as_run == layer_by_layer;
    if (counts_events(row.scheme.scheme) && as_executed) row.evidence = run.evidence;
  }
}

void price_dense(const RunCounts& run, Arithmetic precision, EnergyReport& report) {
  const auto price = [&](SchemeName scheme, const CountedGraph& counted, bool twin) {
    report.schemes.push_back(
        dense_energy(std::move(scheme), counted, precision, run.value_steps()));
    if (twin && run.twin_ran && precision == Arithmetic::kFp32)
      report.schemes.back().evidence = Evidence::kRan;
  };
  price(Scheme::kDenseSame, run.dense_same, false);
  if (run.dense_twin) price(Scheme::kDenseTwin, *run.dense_twin, true);
  for (const DenseBaseline& other : run.other_baselines)
    price(SchemeName(other.scheme), other.counted, other.of_twin);
}

}  // namespace

EnergyReport price_run(const RunCounts& run) {
  EnergyReport report;
  report.executed_form = run.executed_form;
  report.executed_precision = arithmetic_of(run.precision);
  std::vector<Arithmetic> precisions{report.executed_precision};
  for (const Arithmetic other : {Arithmetic::kFp32, Arithmetic::kInt8}) {
    if (other != precisions[0]) precisions.push_back(other);
  }
  if (precisions[0] != Arithmetic::kFp32) price_spiking(run, {precisions[0], true}, report);
  for (const Arithmetic precision : precisions) price_spiking(run, precision, report);
  // Activations of as many bits as steps tell apart: only where spikes stand for activations.
  if (run.spikes_drive_layers()) precisions.push_back(Arithmetic::kQnnEquiv);
  for (const Arithmetic precision : precisions) price_dense(run, precision, report);
  return report;
}

}  // namespace spikeloom
