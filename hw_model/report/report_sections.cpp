// Sections of a report: operations, rates, language, what is unpriced, break-even.
#include "hw_model/report/report_sections.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <map>
#include <set>

#include "core/io/text.hpp"
#include "hw_model/report/chip_compare.hpp"
#include "hw_model/report/chip_sections.hpp"
#include "hw_model/report/draw/svg.hpp"
#include "hw_model/report/report_view.hpp"

namespace spikeloom {
namespace {

using Json = nlohmann::json;
using enum Align;
using enum Show;

std::string form_of(const Json& report) {
  return text_in(report, {"run", "form"});
}

// ---- operations ----

// Of the whole network, a column for each form.
Section totals_section(const Json& report) {
  constexpr std::pair<const char*, const char*> kRows[] = {
      {"dense MACs of the layers, all steps", "dense_macs"},
      {"dense MACs of attention, all steps", "dense_macs_attention"},
      {"exact additions (spike deliveries)", "event_adds"},
      {"additions estimated from rates", "rate_adds"},
      {"MACs of the stem, at every step", "stem_macs"},
      {"MACs of the stem, once", "stem_macs_once"},
      {"MACs of other real operands", "real_macs_without_stem"},
      {"attention K^T V, gated by K", "kv_k_gated_adds"},
      {"attention K^T V, coincidences", "kv_coincidences"},
      {"attention Q(K^T V), gated by Q", "qkv_q_gated_adds"},
      {"neuron updates", "neuron_updates"},
      {"spikes", "spikes"},
      {"synaptic weights stored", "weights"}};
  Section out{"totals", "Operations per sample"};
  std::vector<const Json*> forms;
  out.table.columns = {{"of the whole network", kLeft}};
  for (const char* form : {"as_written", "fused"}) {
    const Json* counts = find_in(report, {"counts", form});
    if (counts == nullptr || !counts->is_object()) continue;
    forms.push_back(counts);
    out.table.columns.push_back({form_of(report) == form ? std::string(form) + " (ran)" : form});
  }
  if (forms.empty()) return {};
  for (const auto& [name, key] : kRows) {
    out.table.rows.push_back({name});
    for (const Json* counts : forms) {
      const double samples =
          std::string_view(key) == "weights" ? 1 : number_in(*counts, {"samples"});
      out.table.rows.back().emplace_back(kCount, number_in(*counts, {"totals", key}) / samples);
    }
  }
  return out;
}

BarRow operations_row(const LayerOperations& layer) {
  BarRow row;
  row.label = layer.name;
  row.tip = fmt::format("{} ({})", layer.name, layer.op);
  const auto bar = [&](double value, int color) {
    if (!std::isnan(value)) row.bars.push_back({{{value, color}}, si_text(value, ""), 0, false});
  };
  bar(layer.additions, 0);
  bar(layer.macs, 1);
  bar(layer.dense, 6);
  return row;
}

Section operations_section(const Json& report) {
  const std::vector<LayerOperations> layers = layer_operations(report);
  if (layers.empty()) return {};
  Section out{"operations", "Operations by layer"};
  out.page_only = true;
  BarChart chart;
  chart.title = "Operations per sample by layer";
  out.table.caption = "Operations per sample of every layer";
  out.table.columns = {
      {"layer", kLeft}, {"operator", kLeft},     {"operand", kLeft},          {"AC"},
      {"MAC"},          {"MAC, one dense pass"}, {"MAC, dense at all steps"}, {"weights"}};
  for (const LayerOperations& layer : layers) {
    if (chart.rows.size() < kMostRows) chart.rows.push_back(operations_row(layer));
    out.table.rows.push_back({layer.name,
                              layer.op,
                              layer.operand,
                              {kTenths, layer.additions},
                              {kTenths, layer.macs},
                              {kTenths, layer.dense},
                              {kTenths, layer.dense_all_steps},
                              {kTenths, layer.weights}});
  }
  choose_axis(chart, "operations per sample", 30);
  out.notes = {fmt::format(
      "Form {}. A layer that reads spikes makes additions (AC), one for each spike and connection "
      "it reaches, over all steps; a layer that reads real values makes multiply-accumulates "
      "(MAC). Beside them: the MACs of one dense pass of the same layer.",
      form_of(report))};
  note_drawn(out, chart.rows.size());
  out.picture.legend = {{0, "AC: additions, all steps"},
                        {1, "MAC: real operand, all steps"},
                        {6, "dense: MAC of one pass"}};
  set_chart(out, std::move(chart));
  return out;
}

// What the harness counts beside what it leaves out.
Section neurobench_section(const Json& report) {
  const Json* harness = find_in(report, {"neurobench"});
  if (harness == nullptr || !harness->is_object()) return {};
  const Json* totals = find_in(report, {"counts", form_of(report), "totals"});
  const double adds = number_in(*harness, {"SynapticOperations", "Effective_ACs"});
  const double attention =
      totals == nullptr
          ? std::nan("")
          : (number_in(*totals, {"kv_k_gated_adds"}) + number_in(*totals, {"qkv_q_gated_adds"})) /
                number_in(report, {"run", "samples"});
  Section out{"neurobench", "NeuroBench, per sample"};
  out.notes = {fmt::format(
      "{} ACs and {} MACs effective of {} dense; with attention {} ACs; {} membrane updates; "
      "activation sparsity {}; connection sparsity {}; footprint {:.0f} bytes",
      count_text(adds), count_text(number_in(*harness, {"SynapticOperations", "Effective_MACs"})),
      count_text(number_in(*harness, {"SynapticOperations", "Dense"})),
      count_text(adds + attention), count_text(number_in(*harness, {"MembraneUpdates"})),
      percent_text(number_in(*harness, {"ActivationSparsity"})),
      percent_text(number_in(*harness, {"ConnectionSparsity"})),
      number_in(*harness, {"Footprint"}))};
  return out;
}

Section lmu_section(const Json& report) {
  const double samples = number_in(report, {"run", "samples"});
  Section out{"lmu", "Legendre memory per sample"};
  out.table.columns = {{"form", kLeft}, {"additions"}, {"real MACs"},
                       {"fp32"},        {"int8*"},     {"stored"}};
  for (const Json& cost : list_in(report, {"lmu_memory"})) {
    const Json* ran = find_in(cost, {"executed"});
    const std::string form = text_in(cost, {"form"});
    out.table.rows.push_back({ran != nullptr && *ran == true ? form + " (ran)" : form,
                              {kCount, number_in(cost, {"additions"}) / samples},
                              {kCount, number_in(cost, {"macs"}) / samples},
                              {kJoule, number_in(cost, {"fp32_pJ"}) * 1e-12 / samples},
                              {kJoule, number_in(cost, {"int8_pJ"}) * 1e-12 / samples},
                              {kCount, number_in(cost, {"stored_values"})}});
  }
  if (out.table.rows.empty()) return {};
  out.notes = {
      "From the spikes of this run; the form that ran did so in fp32, whatever the precision of "
      "other layers, and int8* is an estimate; fft needs the whole sequence before its first "
      "answer."};
  return out;
}

// ---- language ----

Section scores_part(const Json& report) {
  Section out;
  out.table.columns = {{"network", kLeft}, {"vocabulary", kLeft},  {"predictions"},
                       {"bits per token"}, {"bits per character"}, {"bits per byte"}};
  const auto number = [](const Json& score, const char* key) {
    const double value = number_in(score, {key});
    return std::isfinite(value) ? fmt::format("{:.4f}", value) : "-";
  };
  const auto row = [&](const char* name, const Json* score) {
    if (score == nullptr) return;
    out.table.rows.push_back({name,
                              text_in(*score, {"vocabulary"}),
                              {kExact, number_in(*score, {"tokens"})},
                              number(*score, "bits_per_token"),
                              number(*score, "bits_per_character"),
                              number(*score, "bits_per_byte")});
  };
  row("this network", find_in(report, {"language"}));
  row("its dense twin", find_in(report, {"dense_twin", "language"}));
  return out;
}

Section tokens_part(const Json& report) {
  Section out;
  out.heading = "Energy per token";
  out.table.columns = {{"scheme", kLeft}, {"precision", kLeft}, {"evidence", kLeft}, {"with head"},
                       {"/ twin"},        {"without head"},     {"/ twin"}};
  out.table.keys = 2;
  for (const Json& row : list_in(report, {"language_energy", "per_token"})) {
    const SchemeEntry entry = scheme_entry(row, text_in(row, {"scheme"}), report);
    out.table.rows.push_back({entry.scheme,
                              entry.precision,
                              entry.evidence.empty() ? "unknown" : entry.evidence,
                              {kJoule, number_in(row, {"with_head_nJ"}) * 1e-9},
                              {kOneOver, number_in(row, {"times_less_with_head"})},
                              {kJoule, number_in(row, {"without_head_nJ"}) * 1e-9},
                              {kOneOver, number_in(row, {"times_less_without_head"})}});
  }
  const Json* claim = find_in(report, {"language_energy", "published"});
  if (out.table.rows.empty() || claim == nullptr) return out;
  out.notes = {fmt::format(
      "The published 1/{:.1f} is {} with R = {:.2f}, d = {:.0f}, {} and {} pJ, "
      "without the head. What it takes for granted:",
      number_in(*claim, {"ratio"}), text_in(*claim, {"formula"}), number_in(*claim, {"R"}),
      number_in(*claim, {"d"}), number_in(*claim, {"E_MAC_pJ"}), number_in(*claim, {"E_AC_pJ"}))};
  for (const Json& assumption : list_in(*claim, {"assumptions"}))
    out.items.push_back(scalar_text(assumption));
  return out;
}

// How well a language model predicts, energy with and without the output head, the published claim.
Section language_section(const Json& report) {
  Section out{"language", "Language model"};
  for (Section part : {scores_part(report), tokens_part(report)}) {
    if (!part.table.rows.empty()) out.parts.push_back(std::move(part));
  }
  return out;
}

// Where no trace shows more.
Section report_rates(const Json& report) {
  Section out;
  out.notes = {"Spikes per neuron and step, from the report."};
  out.table.columns = {{"layer", kLeft}, {"neurons"}, {"spikes"}, {"rate"}};
  std::vector<LayerRate> layers;
  for (const Json* layer : firing_layers(report)) {
    const double rate = number_in(*layer, {"rate"});
    layers.push_back({text_in(*layer, {"name"}), rate, percent_or_text(rate)});
    out.table.rows.push_back({layers.back().name,
                              {kExact, number_in(*layer, {"neurons"})},
                              {kExact, number_in(*layer, {"spikes"})},
                              {kPercent, rate}});
  }
  if (layers.empty()) return {};
  set_rates(out, layers, {});
  return out;
}

Section break_even_section(const Json& report) {
  Section out{"break-even", "Published break-even conditions"};
  out.table.columns = {{"condition", kLeft}, {"quantity", kLeft},
                       {"position", kLeft},  {"limit"},
                       {"source", kLeft},    {"note", kLeft, "", "", true}};
  for (const Json& condition : list_in(report, {"break_even", "conditions"})) {
    const std::string id = text_in(condition, {"id"});
    const double low = number_in(condition, {"low"}), high = number_in(condition, {"high"});
    out.table.rows.push_back(
        {id, text_in(condition, {"quantity"}),
         text_in(report, {"break_even", "network", "positions", id}),
         low == high ? fmt::format("{:.4g}", low) : fmt::format("{:.4g} to {:.4g}", low, high),
         text_in(condition, {"source"}), text_in(condition, {"note"})});
  }
  if (out.table.rows.empty()) return {};
  out.notes = {fmt::format(
      "This network: s = {:.4g} spikes per synapse and {}, mean firing rate {}. \"below\": sparse "
      "enough for spikes to pay under every reading of the source; \"above\": the dense network is "
      "cheaper; \"inside\": it depends on the baseline.",
      number_in(report, {"break_even", "network", "s"}),
      find_in(report, {"lmu_memory"}) == nullptr ? "sample" : "step",
      percent_text(number_in(report, {"break_even", "network", "rate"})))};
  return out;
}

}  // namespace

void note_drawn(Section& section, size_t drawn, const char* what) {
  const size_t all = section.table.rows.size();
  if (all > drawn)
    section.picture.notes.push_back(
        fmt::format("The first {} of {} {} are drawn; the table has all.", drawn, all, what));
}

void set_rates(Section& section, const std::vector<LayerRate>& layers, BarChart chart) {
  section.id = "rates";
  section.heading = "Firing rates";
  section.page_only = true;
  section.table.caption = "Rates of every layer";
  chart.title = "Firing rate by layer and step";
  chart.axis = "mean firing rate";
  chart.unit = "%";
  for (const LayerRate& layer : layers) {
    if (chart.rows.size() == kMostRows) break;
    BarRow row{layer.name, layer.name + ": " + layer.text, {}, layer.cells, false};
    row.bars.push_back({{{layer.rate, 0}}, layer.text, 0, false});
    if (std::isnan(layer.rate)) row.bars.back().segments.clear();
    chart.rows.push_back(std::move(row));
  }
  note_drawn(section, chart.rows.size(), "layers");
  section.picture.heat_high = chart.heat_high;
  section.picture.heat_unit = "%";
  set_chart(section, std::move(chart));
}

Section unpriced_section(const Json& report) {
  using Forms = std::set<std::string>;
  struct Left {
    std::string text;
    double value = 0;  // NaN: not counted
    std::vector<std::pair<std::string, Forms>> schemes;
  };
  const auto forms_of = [](auto& schemes, const std::string& name) -> Forms& {
    const auto found = std::find_if(schemes.begin(), schemes.end(),
                                    [&](const auto& scheme) { return scheme.first == name; });
    return (found == schemes.end() ? schemes.insert(found, {name, {}}) : found)->second;
  };
  std::vector<Left> all;
  std::map<std::string, Forms> forms;
  for (const SchemeEntry& entry : scheme_entries(report)) {
    forms[entry.scheme].insert(entry.form);
    for (const Json& term : list_in(*entry.json, {"unpriced"})) {
      const double value = number_in(term, {"count"});
      const std::string text = text_in(term, {"text"});
      auto found = std::find_if(all.begin(), all.end(), [&](const Left& left) {
        return left.text == text && (left.value == value || std::isnan(left.value + value));
      });
      if (found == all.end()) found = all.insert(all.end(), {text, value, {}});
      forms_of(found->schemes, entry.scheme).insert(entry.form);
    }
  }
  Section out{"unpriced", "What no price stands for"};
  out.notes = {
      "Left out of the energies above by the schemes named, in every form or in this one."};
  out.table.columns = {{"left out", kLeft},
                       {"per sample"},
                       {"schemes", kLeft},
                       {"operations of the run", kRight, "", "", true}};
  out.table.keys = 0;  // long texts, which may wrap
  for (const Left& left : all) {
    std::string schemes;
    for (const auto& [scheme, mine] : left.schemes) {
      schemes += (schemes.empty() ? "" : ", ") + scheme;
      if (mine != forms[scheme]) schemes += " " + *mine.begin();
    }
    out.table.rows.push_back({left.text,
                              {kCount, left.value / number_in(report, {"run", "samples"})},
                              schemes,
                              {kExact, left.value}});
  }
  return all.empty() ? Section{} : out;
}

std::vector<Section> report_sections(const Json& report, std::vector<Section> traced) {
  std::vector<Section> out{energy_section(report)};
  if (const auto chip = chip_of(report)) out.push_back(hardware_section(*chip));
  out.push_back(network_section(report));
  if (traced.empty()) traced.push_back(report_rates(report));
  for (Section& section : traced) out.push_back(std::move(section));
  for (Section section :
       {language_section(report), totals_section(report), operations_section(report),
        neurobench_section(report), lmu_section(report), unpriced_section(report),
        memory_section(report), break_even_section(report), prices_section(report),
        methods_section(report)})
    out.push_back(std::move(section));
  return out;
}

}  // namespace spikeloom
