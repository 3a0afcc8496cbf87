#include <fmt/format.h>

#include <algorithm>

#include "core/io/text.hpp"
#include "hw_model/report/hardware.hpp"
#include "hw_model/report/report.hpp"

namespace spikeloom {
namespace {

const char* weights_state(const ReportInput& in) {
  if (in.weights_random) return "NOT TRAINED";
  return in.weights_trained ? "trained" : "not stated whether trained";
}

using Rows = std::vector<std::vector<std::string>>;

std::string score_text(const LanguageScore& s) {
  if (s.tokens == 0) return "not known: no token follows another";
  std::string text =
      fmt::format("cross-entropy {:.6f} nats = {:.6f} bits per token over {} predictions",
                  s.nats_per_token(), s.bits() / static_cast<double>(s.tokens), s.tokens);
  if (s.vocabulary.empty() || s.bytes == 0) return text;
  return text + fmt::format(
                    "; {:.6f} bits per character ({}), {:.6f} bits per byte ({}), "
                    "vocabulary: {}",
                    s.bits() / static_cast<double>(s.characters), s.characters,
                    s.bits() / static_cast<double>(s.bytes), s.bytes, s.vocabulary);
}

std::string run_block(const Report& report, size_t width) {
  const ReportInput& in = report.input;
  const OpCounts& executed = report.executed().ops;
  std::string out;
  out += wrap(fmt::format("data      {}", in.dataset), 10, width);
  out += wrap(fmt::format("weights   {}{}", weights_state(in),
                          in.weights_text.empty() ? "" : ": " + in.weights_text),
              10, width);
  out +=
      wrap(fmt::format("run       {} samples x {} steps, form {}, {} backend ({}), {} threads, {}",
                       executed.samples, in.counts.steps, in.counts.executed_form, in.backend,
                       in.simd, in.threads, in.schedule),
           10, width);
  if (in.peak_memory_bytes > 0) {
    out += fmt::format("memory    {:.1f} MB at most\n",
                       static_cast<double>(in.peak_memory_bytes) / 1e6);
  }
  if (!in.precision.layers.empty()) {
    double worst = 0;
    for (const QuantizedLayer& layer : in.precision.layers)
      worst = std::max(worst, layer.relative_error);
    out += wrap(fmt::format("precision {}: {} layers with rounded weights, relative error at most "
                            "{}; not comparable with fp32 spike for spike",
                            in.precision.name, in.precision.layers.size(), percent_text(worst)),
                10, width);
  }
  out += fmt::format("signature {}\n", in.signature);
  if (in.language) {
    out += wrap("score     " + score_text(*in.language), 10, width);
    if (in.twin && in.twin->language)
      out += wrap("          dense twin " + score_text(*in.twin->language), 10, width);
    return out;
  }
  if (in.accuracy.known) {
    out += fmt::format("accuracy  {} ({} of {})", percent_text(in.accuracy.fraction()),
                       in.accuracy.correct, in.accuracy.total);
  } else {
    out += "accuracy  not known: no labels";
  }
  if (in.twin && in.twin->accuracy.known) {
    out += fmt::format("; dense twin {} ({} of {})", percent_text(in.twin->accuracy.fraction()),
                       in.twin->accuracy.correct, in.twin->accuracy.total);
  }
  out += '\n';
  if (!in.broken.empty()) {
    out += wrap(
        fmt::format("broken    {} of {} samples could not be read and count nowhere",
                    in.broken.size(), in.broken.size() + static_cast<size_t>(executed.samples)),
        10, width);
  }
  return out;
}

std::string rates_block(const Report& report, size_t width) {
  const auto& neurons = report.executed().ops.neurons;
  const CountTotals& totals = report.executed().ops.totals;
  std::string out = wrap(fmt::format("rates     mean {} ({} spikes in {} neuron updates); from {}",
                                     percent_text(report.break_even.network.rate), totals.spikes,
                                     totals.neuron_updates, report.input.rate_source),
                         10, width);
  if (neurons.empty()) return out;
  const auto [low, high] = std::minmax_element(
      neurons.begin(), neurons.end(),
      [](const NeuronCount& a, const NeuronCount& b) { return a.rate() < b.rate(); });
  out += wrap(fmt::format("          lowest {} {}, highest {} {}", percent_text(low->rate()),
                          low->name, percent_text(high->rate()), high->name),
              10, width);
  return out;
}

std::string operations_block(const Report& report, size_t width) {
  std::vector<const OpCounts*> forms;
  Rows rows{{"operations per sample"}};
  for (const CountedGraph* counted : report.input.counts.forms()) {
    forms.push_back(&counted->ops);
    rows[0].push_back(counted->ops.form + (counted == &report.executed() ? " (ran)" : ""));
  }
  const auto add = [&](const char* name, auto member) {
    std::vector<std::string> row{std::string("  ") + name};
    for (const OpCounts* counts : forms) {
      const double samples = static_cast<double>(std::max<int64_t>(1, counts->samples));
      row.push_back(count_text(static_cast<double>(counts->totals.*member) / samples));
    }
    rows.push_back(std::move(row));
  };
  add("dense MACs of the layers, all steps", &CountTotals::dense_macs);
  add("dense MACs of attention, all steps", &CountTotals::dense_macs_attention);
  add("exact additions (spike deliveries)", &CountTotals::event_adds);
  add("additions estimated from rates", &CountTotals::rate_adds);
  add("MACs of the stem, at every step", &CountTotals::stem_macs);
  add("MACs of the stem, once", &CountTotals::stem_macs_once);
  add("MACs of other real operands", &CountTotals::real_macs_without_stem);
  add("attention K^T V, gated by K", &CountTotals::kv_k_gated_adds);
  add("attention K^T V, coincidences", &CountTotals::kv_coincidences);
  add("attention Q(K^T V), gated by Q", &CountTotals::qkv_q_gated_adds);
  add("neuron updates", &CountTotals::neuron_updates);
  add("spikes", &CountTotals::spikes);
  rows.push_back({"  synaptic weights stored"});
  for (const OpCounts* counts : forms)
    rows.back().push_back(count_text(static_cast<double>(counts->totals.weights)));
  return columns(rows, width);
}

// The cheapest dense row, by which the last column divides.
const SchemeReport* best_dense(const Report& report) {
  return contest_of(report.energy).best.dense;
}

std::string ratio_to(const SchemeReport& row, const SchemeReport* dense) {
  if (dense == nullptr || row.priced_share < 1 || dense->priced_share < 1) return "-";
  return ratio_text(row.per_sample_pJ(), dense->per_sample_pJ());
}

// One scheme: what it stands for, its energy, and how many times that of each baseline at the same
// precision and of the cheapest.
std::vector<std::string> energy_row(const Report& report, const SchemeReport& scheme) {
  const bool dense = scheme.is_dense();
  const bool starred =
      !dense && !scheme.pricing.as_run && scheme.pricing.precision != Arithmetic::kFp32;
  std::vector<std::string> row{
      "  " + scheme.scheme,
      fmt::format("{}{}", name_of(scheme.pricing.precision), starred ? "*" : ""),
      dense ? "-" : scheme.form,
      std::string(name_of(scheme.evidence)),
      energy_text(scheme.per_sample_pJ()),
      share_text(scheme.priced_share)};
  for (const char* baseline : {"dense_same", "dense_twin"}) {
    const SchemeReport* at_equal =
        scheme.pricing.as_run ? nullptr : report.energy.find(baseline, scheme.pricing);
    row.push_back(ratio_to(scheme, at_equal));
  }
  row.push_back(ratio_to(scheme, best_dense(report)));
  return row;
}

std::string rows_note(const Report& report, size_t width) {
  const SchemeReport* best = best_dense(report);
  const Arithmetic ran = report.energy.executed_precision;
  std::string note =
      "  ran: counted on the form and precision that were executed; estimated: another form or "
      "precision, rates, or a network that was not executed. priced: share of the synaptic "
      "operations. / same, / twin: divided by dense_same, dense_twin at the same precision; / "
      "best: by the cheapest dense row";
  if (best != nullptr)
    note += fmt::format(", {} {}", best->scheme, name_of(best->pricing.precision));
  note += " (below 1x the row is cheaper); no ratio where less than all work is priced.";
  if (ran != Arithmetic::kFp32)
    note += fmt::format(
        " {}: layers with such weights as they ran, everything else fp32, as no dense row is.",
        name_of(ran));
  note += " * every operation at this precision, which did not run.";
  if (report.energy.find("dense_same", Arithmetic::kQnnEquiv) != nullptr)
    note += fmt::format(" qnn_equiv has {}-bit activations.",
                        activation_bits(report.input.counts.value_steps()));
  return wrap(note + " The accuracy of dense rows that did not run was not measured.", 2, width);
}

std::vector<Price> prices_of(const EnergyReport& energy) {
  std::vector<Price> prices;
  for (const SchemeReport& row : energy.schemes) {
    for (const Price& price : row.prices) {
      const bool known = std::any_of(prices.begin(), prices.end(),
                                     [&](const Price& p) { return p.name == price.name; });
      if (!known) prices.push_back(price);
    }
  }
  return prices;
}

std::string energy_block(const Report& report, size_t width) {
  Rows rows{{"energy per sample", "", "form", "evidence", "energy", "priced", "/ same", "/ twin",
             "/ best"}};
  for (const SchemeReport& scheme : report.energy.schemes)
    rows.push_back(energy_row(report, scheme));
  const std::optional<ChipRun>& chip = report.input.hardware;
  if (chip) {
    rows.push_back({"  hardware", fmt::format("{}-bit", chip->weight_bits), "fused", "estimated",
                    energy_text(chip->total_j * 1e12), share_text(chip->coverage.priced), "-", "-",
                    "-"});
  }
  std::string out = columns(rows, width) + rows_note(report, width);
  for (const DenseBaseline& other : report.input.counts.other_baselines)
    out += wrap(fmt::format("  {}: {}", other.scheme, other.description), 4, width);
  std::vector<const char*> schemes(std::begin(kSpikingSchemes), std::end(kSpikingSchemes));
  schemes.push_back("dense_same");
  for (const char* name : schemes) {
    const SchemeReport* scheme = report.energy.find(name, Arithmetic::kFp32);
    if (scheme == nullptr && std::string_view(name) != "neurobench") continue;
    out += wrap(fmt::format("  {}: {}", name,
                            scheme != nullptr ? scheme->formula
                                              : "not counted (report.neurobench = true counts it)"),
                4, width);
  }
  if (chip)
    out += wrap(fmt::format("  hardware, on {}: {}", chip->chip, kHardwareFormula), 4, width);
  for (const Price& price : prices_of(report.energy))
    out += wrap(fmt::format("  price {}: {:.4g} pJ ({}) [mark {}]", price.name, price.value_pJ,
                            price.source, price.mark),
                4, width);
  return out;
}

// What the harness counts beside what it leaves out.
std::string neurobench_block(const Report& report, size_t width) {
  const auto& counted = report.input.counts.neurobench;
  if (!counted) return "";
  const auto samples = static_cast<double>(counted->samples);
  const CountTotals& totals = report.executed().ops.totals;
  int64_t macs = 0, acs = 0, dense = 0;
  for (const NeuroBenchLayer& layer : counted->layers) {
    macs += layer.effective_macs;
    acs += layer.effective_acs;
    dense += layer.dense;
  }
  const auto text = [&](int64_t count) { return count_text(static_cast<double>(count) / samples); };
  return '\n' +
         wrap(fmt::format("NeuroBench, per sample: {} ACs and {} MACs effective of {} dense; with "
                          "attention {} ACs; {} membrane updates; activation sparsity {}; "
                          "connection sparsity {}; footprint {} bytes",
                          text(acs), text(macs), text(dense),
                          text(acs + totals.kv_k_gated_adds + totals.qkv_q_gated_adds),
                          text(counted->membrane_updates),
                          percent_text(1 - report.break_even.network.rate),
                          percent_text(counted->connection_sparsity()), counted->footprint_bytes),
              2, width);
}

// A whole chip: no ratio to baselines of arithmetic alone.
std::string hardware_block(const Report& report) {
  if (!report.input.hardware) return "";
  return "\nhardware: " + chip_summary(*report.input.hardware);
}

std::string unpriced_block(const Report& report, size_t width) {
  const auto one = [&](const std::string& title, const SchemeReport* scheme) {
    std::string list;
    const double samples = static_cast<double>(std::max<int64_t>(1, scheme->samples));
    for (const UnpricedTerm& term : scheme->unpriced) {
      list += fmt::format("{}{} {}", list.empty() ? "" : "; ",
                          count_text(static_cast<double>(term.count) / samples), term.text);
    }
    return wrap(fmt::format("  {}: {}", title, list.empty() ? "nothing" : list), 4, width);
  };
  std::string out = "not priced, per sample (these energies are of arithmetic only)\n";
  out += one("spiking, " + report.energy.executed_form, report.energy.of_run("as_built"));
  out += one("dense_same", report.energy.find("dense_same", Arithmetic::kFp32));
  const SchemeReport* twin = report.energy.find("dense_twin", Arithmetic::kFp32);
  if (twin != nullptr) out += one("dense_twin", twin);
  return out;
}

std::string language_block(const Report& report, size_t width) {
  if (!report.language) return "";
  const LanguageEnergy& language = *report.language;
  Rows rows{{"energy per token", "", "evidence", "with head", "/ twin", "without", "/ twin"}};
  for (const HeadSplit& row : language.rows) {
    rows.push_back({"  " + row.scheme, row.pricing.text(row.scheme.starts_with("dense_")),
                    std::string(name_of(row.evidence)), energy_text(row.with_head_pJ),
                    fmt::format("1/{:.3g}", row.times_with_head), energy_text(row.without_head_pJ),
                    fmt::format("1/{:.3g}", row.times_without_head)});
  }
  const PublishedClaim& claim = language.claim;
  std::string out = '\n' + columns(rows, width);
  out += wrap(fmt::format("  the published 1/{:.1f} is 13 E_MAC / (13 R E_AC + 7 E_MAC / d) with "
                          "R = {:.2f}, d = {}, {} and {} pJ, without the head. What it takes for "
                          "granted:",
                          claim.ratio(), claim.rate, claim.width, claim.mac_pJ, claim.ac_pJ),
              2, width);
  for (const std::string& assumption : language.assumptions)
    out += wrap("  - " + assumption, 4, width);
  return out;
}

std::string lmu_block(const Report& report, size_t width) {
  const auto& forms = report.input.lmu_forms;
  if (forms.empty()) return "";
  const auto samples = static_cast<double>(report.executed().ops.samples);
  Rows rows{{"Legendre memory per sample", "additions", "real MACs", "fp32", "int8*", "stored"}};
  for (const LmuFormCost& cost : forms) {
    rows.push_back({fmt::format("  {}{}", cost.form, cost.executed ? " (ran)" : ""),
                    count_text(static_cast<double>(cost.additions) / samples),
                    count_text(static_cast<double>(cost.macs) / samples),
                    energy_text(cost.fp32_pJ / samples), energy_text(cost.int8_pJ / samples),
                    count_text(static_cast<double>(cost.stored_values))});
  }
  return '\n' + columns(rows, width) +
         wrap(
             "  from the spikes of this run; the form that ran did so in fp32, whatever the "
             "precision "
             "of other layers, and int8* is an estimate; fft needs the whole sequence before its "
             "first answer",
             2, width);
}

std::string memory_block(const Report& report, size_t width) {
  Rows rows{{"memory traffic per sample (bounds, in no total)", "accesses", "bits", "low", "high"}};
  for (const MemoryTraffic& traffic : report.memory) {
    const bool spiking = traffic.scheme == "as_built";
    const std::string name =
        fmt::format("{} {}", spiking ? "spiking" : traffic.scheme, name_of(traffic.precision));
    if (spiking && traffic.form != report.energy.executed_form) continue;
    const double samples = static_cast<double>(report.executed().ops.samples);
    for (const MemoryLine& line : traffic.lines) {
      rows.push_back({fmt::format("  {}: {}", name, line.what),
                      count_text(static_cast<double>(line.accesses) / samples),
                      fmt::format("{}", line.bits), energy_text(line.low_pJ / samples),
                      energy_text(line.high_pJ / samples)});
    }
  }
  return columns(rows, width);
}

}  // namespace

std::string to_table(const Report& report, size_t width) {
  std::string out;
  out += wrap(report.verdict.headline, 7, width);
  for (const std::string& change : report.input.what_if)
    out += wrap("WHAT IF: " + change, 9, width);
  out += wrap("  " + report.verdict.equal_precision, 4, width);
  out += wrap("  " + report.verdict.break_even, 4, width);
  out += '\n' + run_block(report, width) + rates_block(report, width);
  out += '\n' + operations_block(report, width);
  out += '\n' + energy_block(report, width);
  out += neurobench_block(report, width);
  out += hardware_block(report);
  out += lmu_block(report, width);
  out += language_block(report, width);
  out += '\n' + unpriced_block(report, width);
  out += '\n' + memory_block(report, width);
  for (const std::string& warning : report.input.warnings)
    out += wrap("warning: " + warning, 9, width);
  return out;
}

}  // namespace spikeloom
