// Sections of one report: operations, energy, memory, formulas, what is unpriced.
#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "core/io/text.hpp"
#include "hw_model/report/draw/svg.hpp"
#include "hw_model/report/page.hpp"

namespace spikeloom {
namespace {

using Json = nlohmann::json;

std::string price_list(const Json& scheme) {
  HtmlTable table;
  table.header = {"price", "source", "scope", "pJ", "node, nm", "mark"};
  table.text_columns = 3;
  for (const Json& price : list_in(scheme, {"prices"})) {
    const Json* node = find_in(price, {"node_nm"});
    table.rows.push_back({text_in(price, {"name"}), text_in(price, {"source"}),
                          text_in(price, {"scope"}),
                          fmt::format("{:.4g}", number_in(price, {"value_pJ"})),
                          node == nullptr ? "" : scalar_text(*node), text_in(price, {"mark"})});
  }
  return table.rows.empty() ? "" : render(table);
}

std::string line_list(const Json& scheme) {
  HtmlTable table;
  table.header = {"layer",   "operand", "rule", "price", "operations of the run",
                  "pJ each", "energy"};
  table.text_columns = 4;
  for (const Json& line : list_in(scheme, {"lines"})) {
    table.rows.push_back({text_in(line, {"layer"}), text_in(line, {"operand"}),
                          text_in(line, {"rule"}), text_in(line, {"price"}),
                          fmt::format("{:.16g}", number_in(line, {"count"})),
                          fmt::format("{:.4g}", number_in(line, {"price_pJ"})),
                          si_text(number_in(line, {"energy_pJ"}) * 1e-12, "J")});
  }
  return table.rows.empty() ? "" : details("Every line of it, to add up by hand", render(table));
}

// Scalars of a scheme that no table above shows, so that a scheme without energies is told too.
std::string other_figures(const Json& scheme) {
  static const std::vector<std::string> kShown = {
      "scheme",   "form",          "precision", "formula",    "total_pJ",
      "total_nJ", "per_sample_nJ", "evidence",  "throughout", "priced_share"};
  HtmlTable table;
  table.header = {"figure", "value"};
  for (const auto& [key, value] : scheme.items()) {
    if (!value.is_primitive() || std::find(kShown.begin(), kShown.end(), key) != kShown.end())
      continue;
    table.rows.push_back({key, scalar_text(value)});
  }
  return table.rows.empty() ? "" : render(table);
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

std::string count_or_dash(double value) {
  if (!std::isfinite(value)) return "-";
  const std::string text = fmt::format("{:.1f}", value);
  return text.ends_with(".0") ? text.substr(0, text.size() - 2) : text;
}

// Position of a name, which is appended when it is new.
int index_of(std::vector<std::string>& names, const std::string& name) {
  const auto found = std::find(names.begin(), names.end(), name);
  const auto index = static_cast<int>(found - names.begin());
  if (found == names.end()) names.push_back(name);
  return index;
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
  if (entry.evidence == "ran") row.label += " (ran)";
  row.tip = entry.label();
  Bar bar;
  bar.text = energy_text_of(entry);
  for (const auto& [operand, joule] : entry.operands)
    bar.segments.push_back({joule, index_of(operands, operand)});
  if (bar.segments.empty() && entry.has_energy) bar.segments = {{entry.per_sample_J, 6}};
  row.bars.push_back(std::move(bar));
  return row;
}

std::string or_unknown(const std::string& text) {
  return text.empty() ? "unknown" : text;
}

std::vector<std::string> energy_cells(const SchemeEntry& entry,
                                      const std::vector<std::string>& operands) {
  std::vector<std::string> cells{
      entry.scheme,
      entry.baseline ? "dense" : "spiking",
      entry.form,
      entry.precision,
      or_unknown(entry.evidence),
      share_text(entry.priced_share),
      entry.has_energy ? si_text(entry.per_sample_J, "J") : energy_text_of(entry)};
  for (const std::string& operand : operands) {
    const auto found = std::find_if(entry.operands.begin(), entry.operands.end(),
                                    [&](const auto& part) { return part.first == operand; });
    cells.push_back(found == entry.operands.end() ? "-" : si_text(found->second, "J"));
  }
  return cells;
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

}  // namespace

std::string operations_section(const Json& report) {
  const std::vector<LayerOperations> layers = layer_operations(report);
  if (layers.empty()) return "";
  HtmlFigure figure;
  figure.id = "operations";
  figure.heading = "Operations by layer";
  BarChart chart;
  chart.title = "Operations per sample by layer";
  figure.table.header = {"layer",
                         "operator",
                         "operand",
                         "AC",
                         "MAC",
                         "MAC, one dense pass",
                         "MAC, dense at all steps",
                         "weights"};
  figure.table.text_columns = 3;
  for (const LayerOperations& layer : layers) {
    if (chart.rows.size() < kMostRows) chart.rows.push_back(operations_row(layer));
    figure.table.rows.push_back({layer.name, layer.op, layer.operand,
                                 count_or_dash(layer.additions), count_or_dash(layer.macs),
                                 count_or_dash(layer.dense), count_or_dash(layer.dense_all_steps),
                                 count_or_dash(layer.weights)});
  }
  choose_axis(chart, "operations per sample", 30);
  figure.notes = {fmt::format(
      "Form {}. A layer that reads spikes makes additions (AC), one for each spike and connection "
      "it reaches, over all steps; a layer that reads real values makes multiply-accumulates "
      "(MAC). "
      "Beside them: the MACs of one dense pass of the same layer.",
      text_in(report, {"run", "form"}))};
  if (layers.size() > kMostRows)
    figure.notes.push_back(fmt::format("The first {} of {} rows are drawn; the table has all.",
                                       kMostRows, layers.size()));
  figure.legend = {{0, "AC: additions, all steps"},
                   {1, "MAC: real operand, all steps"},
                   {6, "dense: MAC of one pass"}};
  figure.table_name = "Operations per sample of every layer";
  set_chart(figure, chart);
  return render(figure);
}

std::string ran_note(const Json& report) {
  const std::string precision = text_in(report, {"provenance", "precision", "name"});
  return fmt::format("This run: form {}, precision {}.",
                     or_unknown(text_in(report, {"run", "form"})),
                     precision.empty() ? "fp32" : precision);
}

std::string energy_section(const Json& report) {
  const std::vector<SchemeEntry> entries = scheme_entries(report);
  if (entries.empty()) return "";
  HtmlFigure figure;
  figure.id = "energy";
  figure.heading = "Energy per sample by scheme";
  std::vector<std::string> precisions;
  std::vector<std::string> operands{"spikes", "real"};  // the colours of AC and MAC above
  for (const SchemeEntry& entry : entries) {
    index_of(precisions, entry.precision);
    for (const auto& [operand, joule] : entry.operands) index_of(operands, operand);
  }
  BarChart chart;
  chart.title = "Energy per sample by scheme and precision";
  chart.unit = "J";
  chart.mono = false;
  figure.table.header = {"scheme",           "kind", "form", "precision", "evidence", "priced",
                         "energy per sample"};
  figure.table.text_columns = 5;
  for (const std::string& operand : operands) figure.table.header.push_back("of it " + operand);
  for (const std::string& precision : precisions) {
    BarRow head;
    head.heading = true;
    head.label = precision.empty() ? "no precision stated" : precision;
    chart.rows.push_back(head);
    for (const SchemeEntry& entry : entries) {
      if (entry.precision != precision) continue;
      chart.rows.push_back(energy_row(entry, operands));
      figure.table.rows.push_back(energy_cells(entry, operands));
    }
  }
  choose_axis(chart, "energy per sample", 300);
  if (chart.log) {
    join_segments(chart);
    operands.clear();
  }
  for (size_t i = 0; i < operands.size(); ++i)
    figure.legend.push_back({static_cast<int>(i), "operand: " + operands[i]});
  figure.notes = {
      "Spiking schemes first, then the dense baselines (one pass), at each precision. (ran): "
      "counted on the network, form and precision that were executed; everything else is an "
      "estimate: another form, other prices for the same counts, rates, or a network that was not "
      "executed. \"throughout\": every operation at that precision; without the word, layers as "
      "they ran. Energies of arithmetic, not of a chip (but for `hardware`, where it is there): "
      "see what is not priced.",
      ran_note(report)};
  if (const std::string lacks = lacks_of(report); !lacks.empty())
    figure.notes.push_back("This report is of " + lacks + ".");
  figure.table_name = "Energies of every scheme";
  set_chart(figure, chart);
  return render(figure);
}

std::string memory_section(const Json& report) {
  const auto& bounds = list_in(report, {"memory_traffic", "bounds"});
  const double samples = number_in(report, {"run", "samples"});
  HtmlFigure figure;
  figure.id = "memory";
  figure.heading = "Memory traffic: bounds";
  BarChart chart;
  chart.title = "Energy of memory traffic per sample, lowest and highest price";
  chart.unit = "J";
  chart.mono = false;
  figure.table.header = {"scheme",        "form", "precision",           "traffic", "lowest price",
                         "highest price", "bits", "accesses per sample", "lowest",  "highest"};
  figure.table.text_columns = 6;
  for (const Json& bound : bounds) {
    BarRow head;
    head.heading = true;
    const auto& lines = list_in(bound, {"lines"});
    const double bits = lines.empty() ? std::nan("") : number_in(lines[0], {"bits"});
    const std::string precision = text_in(bound, {"precision"});
    head.label = text_in(bound, {"scheme"}) + ", " + text_in(bound, {"form"});
    if (!precision.empty()) {
      head.label += ", " + precision;
    } else if (std::isfinite(bits)) {
      head.label += fmt::format(", {:.0f} bits", bits);
    }
    if (chart.rows.size() < kMostRows) chart.rows.push_back(head);
    for (const Json& line : lines) {
      const double low = number_in(line, {"low_pJ"}) * 1e-12 / samples;
      const double high = number_in(line, {"high_pJ"}) * 1e-12 / samples;
      BarRow row;
      row.label =
          fmt::format("{} ({:.0f} bits)", text_in(line, {"what"}), number_in(line, {"bits"}));
      const std::string text = si_text(low, "J") + " to " + si_text(high, "J");
      row.bars.push_back({{{high, 0}}, text, low, false});
      if (chart.rows.size() < kMostRows) chart.rows.push_back(row);
      figure.table.rows.push_back({text_in(bound, {"scheme"}), text_in(bound, {"form"}), precision,
                                   text_in(line, {"what"}), text_in(line, {"low_price"}),
                                   text_in(line, {"high_price"}),
                                   fmt::format("{:.0f}", number_in(line, {"bits"})),
                                   count_or_dash(number_in(line, {"accesses"}) / samples),
                                   si_text(low, "J"), si_text(high, "J")});
    }
  }
  if (figure.table.rows.empty()) return "";
  choose_axis(chart, "energy per sample", 30);
  figure.notes = {
      "From the lowest to the highest price of each access: where weights and states lie is not "
      "known without a chip. Report: " +
      text_in(report, {"memory_traffic", "note"}) + "."};
  figure.table_name = "Accesses and prices";
  set_chart(figure, chart);
  return render(figure);
}

std::string break_even_section(const Json& report) {
  HtmlTable table;
  table.header = {"condition", "source", "note", "quantity", "position", "limit"};
  table.text_columns = 5;
  for (const Json& condition : list_in(report, {"break_even", "conditions"})) {
    const std::string id = text_in(condition, {"id"});
    const double low = number_in(condition, {"low"}), high = number_in(condition, {"high"});
    table.rows.push_back(
        {id, text_in(condition, {"source"}), text_in(condition, {"note"}),
         text_in(condition, {"quantity"}),
         text_in(report, {"break_even", "network", "positions", id}),
         low == high ? fmt::format("{:.4g}", low) : fmt::format("{:.4g} to {:.4g}", low, high)});
  }
  if (table.rows.empty()) return "";
  const std::string body =
      paragraph(fmt::format(
          "This network: s = {:.4g} spikes per synapse and {}, mean firing rate {}. \"below\": "
          "sparse enough for spikes to pay under every reading of the source; \"above\": the dense "
          "network is cheaper; \"inside\": it depends on the baseline.",
          number_in(report, {"break_even", "network", "s"}),
          find_in(report, {"lmu_memory"}) == nullptr ? "sample" : "step",
          percent_or_text(number_in(report, {"break_even", "network", "rate"})))) +
      render(table);
  return section("break-even", "Published break-even conditions", body);
}

std::string methods_section(const Json& report) {
  std::string body = paragraph(
      "Energies are sums of counted operations times printed prices. For each scheme: its formula, "
      "its prices with their sources, and every line of the sum.");
  const std::vector<SchemeEntry> entries = scheme_entries(report);
  if (entries.empty()) return "";
  std::string last;
  for (const SchemeEntry& entry : entries) {
    body += "<h3>" + escape_html(entry.label()) + "</h3>";
    body += paragraph(text_in(*entry.json, {"formula"}));
    body += price_list(*entry.json) + other_figures(*entry.json);
    if (entry.scheme != last) body += line_list(*entry.json);  // one variant of each scheme
    last = entry.scheme;
  }
  return section("methods", "How each energy comes about", body);
}

std::string unpriced_section(const Json& report) {
  HtmlTable table;
  table.header = {"scheme", "left out", "operations of the run"};
  table.text_columns = 2;
  std::vector<std::pair<std::string, std::string>> seen;
  for (const SchemeEntry& entry : scheme_entries(report)) {
    for (const Json& term : list_in(*entry.json, {"unpriced"})) {
      const std::string scheme = entry.scheme + (entry.form.empty() ? "" : ", " + entry.form);
      const std::pair key{scheme, text_in(term, {"text"})};
      if (std::find(seen.begin(), seen.end(), key) != seen.end()) continue;  // of every precision
      seen.push_back(key);
      const double count = number_in(term, {"count"});
      table.rows.push_back(
          {key.first, key.second, std::isfinite(count) ? fmt::format("{:.16g}", count) : "-"});
    }
  }
  if (table.rows.empty()) return "";
  return section("unpriced", "What no price stands for",
                 paragraph("Left out of the energies above, with their counts.") + render(table));
}

}  // namespace spikeloom
