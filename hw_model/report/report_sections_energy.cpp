// Sections of a report that stand in joules: schemes, memory traffic, formulas and prices.
#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "core/io/text.hpp"
#include "hw_model/report/draw/svg.hpp"
#include "hw_model/report/report_sections.hpp"
#include "hw_model/report/report_view.hpp"

namespace spikeloom {
namespace {

using Json = nlohmann::json;
using enum Align;
using enum Show;

constexpr double kJoulePerPj = 1e-12;

// Position of a name, which is appended when it is new.
int index_of(std::vector<std::string>& names, const std::string& name) {
  const auto found = std::find(names.begin(), names.end(), name);
  const auto index = static_cast<int>(found - names.begin());
  if (found == names.end()) names.push_back(name);
  return index;
}

std::string or_unknown(const std::string& text) {
  return text.empty() ? "unknown" : text;
}

std::string energy_text_of(const SchemeEntry& entry) {
  if (!entry.has_energy) return "no energy in this scheme";
  const std::string text = si_text(entry.per_sample_J, "J");
  return entry.priced_share < 1 ? text + ", " + share_text(entry.priced_share) + " priced" : text;
}

BarRow energy_row(const SchemeEntry& entry, std::vector<std::string>& operands) {
  BarRow row;
  row.label = entry.scheme;
  if (!entry.baseline && !entry.form.empty()) row.label += ", " + entry.form;
  for (const Evidence counted : {Evidence::kRan, Evidence::kRecorded})
    if (entry.evidence == name_of(counted)) row.label += fmt::format(" ({})", entry.evidence);
  row.tip = entry.label();
  Bar bar;
  bar.text = energy_text_of(entry);
  for (const auto& [operand, joule] : entry.operands)
    bar.segments.push_back({joule, index_of(operands, operand)});
  if (bar.segments.empty() && entry.has_energy) bar.segments = {{entry.per_sample_J, 6}};
  row.bars.push_back(std::move(bar));
  return row;
}

// Parts of a bar have no length on a logarithmic axis.
void join_segments(BarChart& chart) {
  for (BarRow& row : chart.rows) {
    for (Bar& bar : row.bars) {
      double total = 0;
      for (const BarSegment& segment : bar.segments) total += segment.value;
      bar.segments = {{total, 0}};
    }
  }
}

// The dense rows that others are divided by.
struct Bases {
  const std::vector<SchemeEntry>& entries;
  const SchemeEntry* best = nullptr;  // the cheapest that prices all of the work

  explicit Bases(const std::vector<SchemeEntry>& all) : entries(all) {
    for (const SchemeEntry& entry : all) {
      if (!entry.baseline || !(entry.priced_share >= 1) || !std::isfinite(entry.per_sample_J))
        continue;
      if (best == nullptr || entry.per_sample_J < best->per_sample_J) best = &entry;
    }
  }
  const SchemeEntry* equal(Scheme scheme, const SchemeEntry& to) const {
    if (!to.throughout) return nullptr;  // layers as they ran: no dense row is like them
    const auto found = std::find_if(entries.begin(), entries.end(), [&](const SchemeEntry& other) {
      return other.scheme == SchemeName(scheme).text() && other.arithmetic == to.arithmetic;
    });
    return found == entries.end() ? nullptr : &*found;
  }
};

Cell ratio_to(const SchemeEntry& entry, const SchemeEntry* base) {
  const bool alike = base != nullptr && entry.priced_share >= 1 && base->priced_share >= 1 &&
                     base->per_sample_J > 0;
  return {kTimes, alike ? entry.per_sample_J / base->per_sample_J : std::nan("")};
}

std::vector<Cell> energy_cells(const SchemeEntry& entry, const Bases& bases,
                               const std::vector<std::string>& operands) {
  std::vector<Cell> cells{
      entry.scheme,
      entry.precision,
      entry.baseline || entry.form.empty() ? "-" : entry.form,
      or_unknown(entry.evidence),
      {kJoule, entry.per_sample_J, entry.has_energy ? "" : "no energy in this scheme"},
      {kShare, entry.priced_share, ""}};
  if (std::isnan(entry.priced_share)) cells.back() = "unknown";
  // A whole chip: no ratio to baselines of arithmetic alone.
  const bool chip = entry.scheme == "hardware";
  for (const Scheme scheme : {Scheme::kDenseSame, Scheme::kDenseTwin})
    cells.push_back(ratio_to(entry, chip ? nullptr : bases.equal(scheme, entry)));
  cells.push_back(ratio_to(entry, chip ? nullptr : bases.best));
  for (const std::string& operand : operands) {
    const auto found = std::find_if(entry.operands.begin(), entry.operands.end(),
                                    [&](const auto& part) { return part.first == operand; });
    cells.emplace_back(kJoule, found == entry.operands.end() ? std::nan("") : found->second);
  }
  return cells;
}

std::vector<std::string> energy_notes(const Json& report, const SchemeEntry* best) {
  std::vector<std::string> notes{
      "ran: counted on the network, form and precision that were executed; recorded: the same, "
      "executed by another program or earlier; estimated: another form "
      "or precision, other prices for the same counts, rates, or a network that was not executed. "
      "\"throughout\": every operation at that precision, which did not run; without the word, "
      "layers as they ran, everything else in fp32. priced: share of the synaptic operations."};
  if (best != nullptr)
    notes.push_back(fmt::format(
        "/ same, / twin: divided by dense_same, dense_twin at the same precision; / best: by the "
        "cheapest dense row, {} {} (below 1x the row is cheaper); no ratio where less than all "
        "work is priced.",
        best->scheme, best->precision));
  notes.push_back(fmt::format(
      "This run: form {}, precision {}. The accuracy of dense rows that did not run was not "
      "measured. Energies of arithmetic, not of a chip (but for `hardware`, where it is there): "
      "see what no price stands for.",
      or_unknown(text_in(report, {"run", "form"})), run_precision(report)));
  if (const std::string lacks = lacks_of(report); !lacks.empty())
    notes.push_back("This report is of " + lacks + ".");
  return notes;
}

// Scalars of a scheme that no other table shows, so that one without energies is told too.
Section other_figures(const Json& scheme) {
  static const std::vector<std::string> kShown = {
      "scheme",   "form",          "precision", "formula",    "total_pJ",
      "total_nJ", "per_sample_nJ", "evidence",  "throughout", "priced_share"};
  Section out;
  out.table.columns = {{"figure", kLeft}, {"value"}};
  for (const auto& [key, value] : scheme.items()) {
    if (!value.is_primitive() || std::find(kShown.begin(), kShown.end(), key) != kShown.end())
      continue;
    out.table.rows.push_back({key, scalar_text(value)});
  }
  return out;
}

Section lines_part(const Json& scheme) {
  Section out;
  out.table.caption = "Every line of it, to add up by hand";
  out.table.columns = {{"layer", kLeft}, {"operand", kLeft},        {"rule", kLeft},
                       {"price", kLeft}, {"operations of the run"}, {"pJ each"},
                       {"energy"}};
  for (const Json& line : list_in(scheme, {"lines"})) {
    out.table.rows.push_back({text_in(line, {"layer"}),
                              text_in(line, {"operand"}),
                              text_in(line, {"rule"}),
                              text_in(line, {"price"}),
                              {kExact, number_in(line, {"count"})},
                              {kNumber, number_in(line, {"price_pJ"})},
                              {kJoule, number_in(line, {"energy_pJ"}) * kJoulePerPj}});
  }
  return out;
}

std::string price_names(const Json& scheme) {
  std::string names;
  for (const Json& price : list_in(scheme, {"prices"}))
    names += (names.empty() ? "Prices: " : ", ") + text_in(price, {"name"});
  return names;
}

}  // namespace

Section energy_section(const Json& report) {
  const std::vector<SchemeEntry> entries = scheme_entries(report);
  if (entries.empty()) return {};
  Section out{"energy", "Energy per sample by scheme"};
  std::vector<std::string> precisions;
  std::vector<std::string> operands{"spikes", "real"};  // the colours of AC and MAC
  for (const SchemeEntry& entry : entries) {
    index_of(precisions, entry.precision);
    for (const auto& [operand, joule] : entry.operands) index_of(operands, operand);
  }
  BarChart chart;
  chart.title = "Energy per sample by scheme and precision";
  chart.unit = "J";
  chart.mono = false;
  Table& table = out.table;
  table.caption = "Energies of every scheme";
  table.columns = {{"scheme", kLeft},   {"precision", kLeft}, {"form", kLeft},
                   {"evidence", kLeft}, {"energy"},           {"priced"},
                   {"/ same"},          {"/ twin"},           {"/ best"}};
  const bool one_form = std::none_of(entries.begin(), entries.end(), [&](const SchemeEntry& entry) {
    return !entry.baseline && entry.form != text_in(report, {"run", "form"});
  });
  table.columns[2].detail = one_form;
  table.keys = one_form ? 2 : 3;
  for (const std::string& operand : operands)
    table.columns.push_back({"of it " + operand, kRight, "J", "", true});
  const Bases bases(entries);
  for (const std::string& precision : precisions) {
    BarRow head;
    head.heading = true;
    head.label = precision.empty() ? "no precision stated" : precision;
    chart.rows.push_back(head);
    for (const SchemeEntry& entry : entries) {
      if (entry.precision != precision) continue;
      chart.rows.push_back(energy_row(entry, operands));
      table.rows.push_back(energy_cells(entry, bases, operands));
    }
  }
  choose_axis(chart, "energy per sample", 300);
  if (chart.log) {
    join_segments(chart);
    operands.clear();
  }
  for (size_t i = 0; i < operands.size(); ++i)
    out.picture.legend.push_back({static_cast<int>(i), "operand: " + operands[i]});
  out.notes = energy_notes(report, bases.best);
  set_chart(out, std::move(chart));
  return out;
}

Section prices_section(const Json& report) {
  Section out{"prices", "Formulas and prices"};
  out.notes = {"Energies are sums of counted operations times these prices."};
  out.table.columns = {{"price", kLeft},  {"pJ"},          {"mark", kLeft}, {"node, nm"},
                       {"source", kLeft}, {"scope", kLeft}};
  std::vector<std::string> schemes, prices;
  for (const SchemeEntry& entry : scheme_entries(report)) {
    const auto count = static_cast<int>(schemes.size());
    if (index_of(schemes, entry.scheme) == count) {
      const std::string chip = text_in(*entry.json, {"chip"}),
                        what = text_in(report, {"energy", entry.scheme, "description"});
      out.items.push_back(entry.scheme + (chip.empty() ? "" : ", on " + chip) + ": " +
                          (what.empty() ? text_in(*entry.json, {"formula"}) : what));
    }
    for (const Json& price : list_in(*entry.json, {"prices"})) {
      const auto known = static_cast<int>(prices.size());
      if (index_of(prices, text_in(price, {"name"})) != known) continue;
      const Json* node = find_in(price, {"node_nm"});
      out.table.rows.push_back({prices.back(),
                                {kNumber, number_in(price, {"value_pJ"})},
                                text_in(price, {"mark"}),
                                node == nullptr ? "" : scalar_text(*node),
                                text_in(price, {"source"}),
                                text_in(price, {"scope"})});
    }
  }
  if (!schemes.empty() && find_in(report, {"energy", "neurobench"}) != nullptr &&
      find_in(report, {"energy", "neurobench"})->is_null())
    out.items.push_back("neurobench: not counted (report.neurobench = true counts it)");
  return schemes.empty() ? Section{} : out;
}

Section methods_section(const Json& report) {
  Section out{"methods", "How each energy comes about"};
  out.page_only = true;
  std::string last;
  for (const SchemeEntry& entry : scheme_entries(report)) {
    Section part;
    part.heading = entry.label();
    part.notes = {text_in(*entry.json, {"formula"})};
    if (const std::string names = price_names(*entry.json); !names.empty())
      part.notes.push_back(names);
    part.parts = {other_figures(*entry.json)};
    if (entry.scheme != last) part.parts.push_back(lines_part(*entry.json));  // one variant of each
    last = entry.scheme;
    out.parts.push_back(std::move(part));
  }
  return out;
}

Section memory_section(const Json& report) {
  const double samples = number_in(report, {"run", "samples"});
  Section out{"memory", "Memory traffic: bounds"};
  BarChart chart;
  chart.title = "Energy of memory traffic per sample, lowest and highest price";
  chart.unit = "J";
  chart.mono = false;
  out.table.caption = "Accesses and prices";
  out.table.columns = {{"scheme", kLeft},
                       {"form", kLeft},
                       {"precision", kLeft},
                       {"bits"},
                       {"traffic", kLeft},
                       {"accesses"},
                       {"lowest"},
                       {"highest"},
                       {"lowest price", kLeft, "", "", true},
                       {"highest price", kLeft, "", "", true}};
  out.table.keys = 4;
  for (const Json& bound : list_in(report, {"memory_traffic", "bounds"})) {
    BarRow head;
    head.heading = true;
    const std::string scheme = text_in(bound, {"scheme"}), form = text_in(bound, {"form"}),
                      precision = text_in(bound, {"precision"});
    head.label = scheme + ", " + form + (precision.empty() ? "" : ", " + precision);
    if (chart.rows.size() < kMostRows) chart.rows.push_back(head);
    for (const Json& line : list_in(bound, {"lines"})) {
      const double low = number_in(line, {"low_pJ"}) * kJoulePerPj / samples;
      const double high = number_in(line, {"high_pJ"}) * kJoulePerPj / samples;
      BarRow row;
      row.label =
          fmt::format("{} ({:.0f} bits)", text_in(line, {"what"}), number_in(line, {"bits"}));
      row.bars.push_back(
          {{{high, 0}}, si_text(low, "J") + " to " + si_text(high, "J"), low, false});
      if (chart.rows.size() < kMostRows) chart.rows.push_back(row);
      out.table.rows.push_back({scheme,
                                form,
                                precision,
                                {kExact, number_in(line, {"bits"})},
                                text_in(line, {"what"}),
                                {kTenths, number_in(line, {"accesses"}) / samples},
                                {kJoule, low},
                                {kJoule, high},
                                text_in(line, {"low_price"}),
                                text_in(line, {"high_price"})});
    }
  }
  if (out.table.rows.empty()) return {};
  choose_axis(chart, "energy per sample", 30);
  out.notes = {
      "Per sample, from the lowest to the highest price of each access: where weights and states "
      "lie is not known without a chip. Report: " +
      text_in(report, {"memory_traffic", "note"}) + "."};
  set_chart(out, std::move(chart));
  return out;
}

}  // namespace spikeloom
