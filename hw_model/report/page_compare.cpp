#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <functional>
#include <optional>

#include "core/io/text.hpp"
#include "hw_model/report/draw/svg.hpp"
#include "hw_model/report/page.hpp"

namespace spikeloom {
namespace {

using Json = nlohmann::json;
using Reports = std::vector<NamedReport>;

std::string tag(size_t i) {
  return fmt::format("[{}]", i + 1);
}

std::vector<LegendEntry> legend_of(const Reports& reports) {
  std::vector<LegendEntry> legend;
  for (size_t i = 0; i < reports.size(); ++i)
    legend.push_back({static_cast<int>(i), tag(i) + " " + reports[i].name});
  return legend;
}

std::vector<std::string> header_of(std::vector<std::string> first, const Reports& reports) {
  for (size_t i = 0; i < reports.size(); ++i) first.push_back(tag(i));
  return first;
}

using Show = std::function<std::string(double)>;
// One per report: nothing where the report does not have the figure at all, NaN where it was not
// measured.
using Values = std::vector<std::optional<double>>;

// A row of bars, one per report, each behind the first with its ratio to the first; the same texts
// as cells of the table.
BarRow group(const std::string& label, const Values& values, const Show& show, bool with_ratio,
             const std::vector<std::string>& remarks, std::vector<std::string>& cells) {
  BarRow row;
  row.label = label;
  const double first = values[0].value_or(std::nan(""));
  for (size_t i = 0; i < values.size(); ++i) {
    std::string text = values[i] ? show(*values[i]) : "absent";
    const bool known = values[i] && std::isfinite(*values[i]);
    if (known && i < remarks.size() && !remarks[i].empty()) text += " " + remarks[i];
    if (with_ratio && i > 0 && known && first > 0)
      text += " (" + times_text(*values[i], first) + ")";
    Bar bar;
    if (known) bar.segments = {{*values[i], static_cast<int>(i)}};
    cells.push_back(text);
    bar.text = tag(i) + " " + text;
    row.bars.push_back(std::move(bar));
  }
  row.tip = label;
  return row;
}

void add_group(HtmlFigure& figure, BarChart& chart, const std::string& label, const Values& values,
               const Show& show, bool with_ratio, const std::vector<std::string>& remarks = {}) {
  std::vector<std::string> cells{label};
  BarRow row = group(label, values, show, with_ratio, remarks, cells);
  if (chart.rows.size() < kMostRows) chart.rows.push_back(std::move(row));
  figure.table.rows.push_back(std::move(cells));
}

HtmlFigure new_figure(const char* id, const char* heading, const Reports& reports) {
  HtmlFigure figure;
  figure.id = id;
  figure.heading = heading;
  figure.legend = legend_of(reports);
  figure.table.header = header_of({"figure"}, reports);
  return figure;
}

Values values_of(const Reports& reports, const std::function<double(const Json&)>& f) {
  Values values;
  for (const NamedReport& report : reports) values.push_back(f(report.json));
  return values;
}

bool any_known(const Values& values) {
  return std::any_of(values.begin(), values.end(),
                     [](const auto& v) { return v && std::isfinite(*v); });
}

std::string accuracy_section(const Reports& reports) {
  HtmlFigure figure = new_figure("accuracy", "Accuracy", reports);
  BarChart chart;
  chart.title = "Accuracy of each report and of its dense twin";
  chart.axis = "share of right answers";
  chart.unit = "%";
  chart.mono = false;
  add_group(figure, chart, "spiking network",
            values_of(reports, [](const Json& r) { return number_in(r, {"accuracy"}); }),
            percent_or_text, false);
  add_group(figure, chart, "dense twin",
            values_of(reports,
                      [](const Json& r) {
                        return number_in(r, {"dense_twin", "accuracy"});
                      }),
            percent_or_text, false);
  set_chart(figure, chart);
  return render(figure);
}

struct Variant {
  std::string scheme, form, precision;
  Values values;                      // J per sample
  std::vector<std::string> evidence;  // by report
  std::vector<double> priced;         // share of the synaptic work
};

// Every priced variant of any report, in the order of the first that has it.
std::vector<Variant> variants_of(const Reports& reports) {
  std::vector<Variant> variants;
  for (size_t i = 0; i < reports.size(); ++i) {
    for (const SchemeEntry& entry : scheme_entries(reports[i].json)) {
      const std::string form = entry.baseline ? "" : entry.form;  // one pass, whatever ran
      auto found = std::find_if(variants.begin(), variants.end(), [&](const Variant& v) {
        return v.scheme == entry.scheme && v.form == form && v.precision == entry.precision;
      });
      if (found == variants.end())
        found = variants.insert(variants.end(),
                                Variant{entry.scheme, form, entry.precision, Values(reports.size()),
                                        std::vector<std::string>(reports.size()),
                                        std::vector<double>(reports.size(), std::nan(""))});
      if (!entry.has_energy) continue;
      found->values[i] = entry.per_sample_J;
      found->evidence[i] = entry.evidence;
      found->priced[i] = entry.priced_share;
    }
  }
  return variants;
}

// Older reports do not say: they are taken to be alike, a note says so.
bool same_share(const std::vector<double>& priced) {
  double first = std::nan("");
  for (const double share : priced) {
    if (std::isnan(share)) continue;
    if (std::isnan(first)) first = share;
    if (share != first) return false;
  }
  return true;
}

std::string energy_comparison(const Reports& reports) {
  HtmlFigure figure = new_figure("energy", "Energy per sample by scheme", reports);
  figure.table.header = header_of({"scheme"}, reports);
  figure.notes = {
      "In brackets: the ratio to report [1], below 1 is cheaper; none where the reports price "
      "unlike shares of the synaptic work. Absent: the report does not price this form at this "
      "precision. \"throughout\": every operation at that precision."};
  for (size_t i = 0; i < reports.size(); ++i) {
    if (const std::string lacks = lacks_of(reports[i].json); !lacks.empty())
      figure.notes.push_back(tag(i) + " is of " + lacks + ".");
  }
  BarChart chart;
  chart.title = "Energy per sample by scheme and precision";
  chart.unit = "J";
  chart.mono = false;
  const std::vector<Variant> variants = variants_of(reports);
  std::vector<std::string> precisions;
  for (const Variant& v : variants) {
    if (std::find(precisions.begin(), precisions.end(), v.precision) == precisions.end())
      precisions.push_back(v.precision);
  }
  for (const std::string& precision : precisions) {
    BarRow head;
    head.heading = true;
    head.label = precision.empty() ? "no precision stated" : precision;
    chart.rows.push_back(head);
    for (const Variant& v : variants) {
      if (v.precision != precision) continue;
      const std::string label = v.form.empty() ? v.scheme : v.scheme + ", " + v.form;
      add_group(
          figure, chart, label, v.values, [](double x) { return si_text(x, "J"); },
          same_share(v.priced), v.evidence);
      if (!precision.empty()) figure.table.rows.back()[0] += ", " + precision;
    }
  }
  if (variants.empty()) return "";
  choose_axis(chart, "energy per sample", 300);
  set_chart(figure, chart);
  return render(figure);
}

std::string operations_comparison(const Reports& reports) {
  struct Total {
    const char* label;
    std::vector<const char*> keys;  // added up
  };
  static const std::vector<Total> kTotals = {
      {"AC: exact additions of the layers", {"event_adds"}},
      {"AC: attention, gated by K and Q", {"kv_k_gated_adds", "qkv_q_gated_adds"}},
      {"MAC: stem at every step, other real operands", {"stem_macs", "real_macs_without_stem"}},
      {"dense MACs of the layers, all steps", {"dense_macs"}},
      {"dense MACs of attention, all steps", {"dense_macs_attention"}},
      {"neuron updates", {"neuron_updates"}},
      {"spikes", {"spikes"}},
      {"synaptic weights read", {"weight_reads"}}};
  HtmlFigure figure = new_figure("operations", "Operations per sample", reports);
  figure.notes = {"Each report in the form that it ran. In brackets: the ratio to report [1]."};
  BarChart chart;
  chart.title = "Operations per sample";
  chart.mono = false;
  for (const Total& total : kTotals) {
    const auto values = values_of(reports, [&](const Json& report) {
      const std::string form = text_in(report, {"run", "form"});
      double sum = 0;
      for (const char* key : total.keys) sum += number_in(report, {"counts", form, "totals", key});
      return sum / number_in(report, {"run", "samples"});
    });
    if (any_known(values))
      add_group(
          figure, chart, total.label, values, [](double x) { return si_text(x, ""); }, true);
  }
  if (chart.rows.empty()) return "";
  choose_axis(chart, "per sample", 30);
  set_chart(figure, chart);
  return render(figure);
}

std::string rates_comparison(const Reports& reports) {
  HtmlFigure figure = new_figure("rates", "Firing rates", reports);
  figure.table.header = header_of({"layer"}, reports);
  BarChart chart;
  chart.title = "Mean firing rate of the networks and of every layer";
  chart.axis = "mean firing rate";
  chart.unit = "%";
  add_group(figure, chart, "whole network",
            values_of(reports,
                      [](const Json& r) {
                        return number_in(r, {"run", "mean_rate"});
                      }),
            percent_or_text, true);
  std::vector<std::pair<std::string, Values>> layers;
  for (size_t i = 0; i < reports.size(); ++i) {
    const Json& json = reports[i].json;
    size_t at = 0;  // where it is expected: the nets are alike
    for (const Json& layer : list_in(json, {"counts", text_in(json, {"run", "form"}), "neurons"})) {
      const std::string name = text_in(layer, {"name"});
      auto found = layers.begin() + static_cast<std::ptrdiff_t>(std::min(at, layers.size()));
      if (found == layers.end() || found->first != name)
        found = std::find_if(layers.begin(), layers.end(),
                             [&](const auto& known) { return known.first == name; });
      if (found == layers.end())
        found = layers.emplace(layers.begin() + static_cast<std::ptrdiff_t>(at), name,
                               Values(reports.size()));
      found->second[i] = number_in(layer, {"rate"});
      at = static_cast<size_t>(found - layers.begin()) + 1;
    }
  }
  for (const auto& [name, values] : layers)
    add_group(figure, chart, name, values, percent_or_text, true);
  figure.notes = {
      "Spikes per neuron and step, mean over samples and steps. In brackets: the ratio "
      "to report [1]. Absent: the network has no such layer."};
  if (figure.table.rows.size() > chart.rows.size())
    figure.notes.push_back(fmt::format("The first {} of {} rows are drawn; the table has all.",
                                       chart.rows.size(), figure.table.rows.size()));
  set_chart(figure, chart);
  return render(figure);
}

std::string figures_section(const Reports& reports, const Json& rows) {
  HtmlTable table;
  table.header = header_of({"figure", "unit"}, reports);
  table.text_columns = 2;
  for (const Json& row : rows) {
    std::vector<std::string> cells{text_in(row, {"name"}), text_in(row, {"unit"})};
    const auto &values = list_in(row, {"values"}), &ratios = list_in(row, {"ratios"});
    for (size_t i = 0; i < values.size(); ++i) {
      std::string cell =
          values[i].is_number() ? fmt::format("{:.6g}", values[i].get<double>()) : "not measured";
      if (i > 0 && i < ratios.size() && ratios[i].is_number())
        cell += " (" + times_text(ratios[i].get<double>(), 1) + ")";
      cells.push_back(std::move(cell));
    }
    table.rows.push_back(std::move(cells));
  }
  return section("figures", "All figures",
                 details("The numbers of spikeloom compare", render(table)));
}

std::string differences_section(const Reports& reports, const Json& differences) {
  HtmlTable table;
  table.header = header_of({"assumption"}, reports);
  table.text_columns = table.header.size();
  for (const Json& entry : differences) {
    std::vector<std::string> cells{text_in(entry, {"key"})};
    for (const Json& value : list_in(entry, {"values"}))
      cells.push_back(value.is_null() ? "absent" : scalar_text(value));
    table.rows.push_back(std::move(cells));
  }
  return section("differences", "Assumptions that differ",
                 table.rows.empty()
                     ? paragraph("None: configuration, weights, data and prices agree.")
                     : render(table));
}

std::string provenance_comparison(const Reports& reports) {
  HtmlTable table;
  table.header = header_of({"what"}, reports);
  table.text_columns = table.header.size();
  for (size_t i = 0; i < reports.size(); ++i) {
    auto rows = provenance_rows(reports[i].json);
    rows.insert(rows.begin(), {"weights", weights_state(reports[i].json)});
    for (auto& [name, value] : rows) {
      auto found = std::find_if(table.rows.begin(), table.rows.end(),
                                [&name = name](const auto& row) { return row[0] == name; });
      if (found == table.rows.end())
        found = table.rows.insert(table.rows.end(),
                                  std::vector<std::string>(reports.size() + 1, "absent"));
      (*found)[0] = name;
      (*found)[i + 1] = std::move(value);
    }
  }
  return section("provenance", "Provenance", render(table));
}

}  // namespace

std::string compare_page(const Reports& reports, const ComparisonResult& result) {
  std::string body;
  for (size_t i = 0; i < reports.size(); ++i) {
    check_report(reports[i]);
    body += paragraph(
        fmt::format("{} {} ({} weights)", tag(i), reports[i].name, weights_state(reports[i].json)));
    body += verdict_box(reports[i].json);
  }
  body += accuracy_section(reports) + energy_comparison(reports) + rates_comparison(reports) +
          operations_comparison(reports);
  body += differences_section(reports, result.json.at("differences"));
  body += figures_section(reports, result.json.at("rows"));
  for (size_t i = 0; i < reports.size(); ++i) {
    if (const std::string unpriced = to_html(unpriced_section(reports[i].json)); !unpriced.empty())
      body += details(fmt::format("What {} {} leaves unpriced", tag(i), reports[i].name), unpriced);
  }
  body += provenance_comparison(reports);
  return page("Energy reports side by side", fmt::format("{} reports", reports.size()), body,
              "Written by spikeloom compare; the page loads nothing and runs no script.");
}

}  // namespace spikeloom
