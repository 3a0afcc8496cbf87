// Reports of runs side by side: accuracy, energy, rates and operations with pictures, then all
// figures, assumptions that differ, what is unpriced, provenance.
#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <functional>
#include <optional>

#include "core/io/hint.hpp"
#include "core/io/text.hpp"
#include "hw_model/report/draw/html.hpp"
#include "hw_model/report/page.hpp"

namespace spikeloom {
namespace {

using Json = nlohmann::json;
using enum Align;
using enum Show;
using Reports = std::vector<NamedReport>;

std::string tag(size_t i) {
  return fmt::format("[{}]", i + 1);
}

// One per report: nothing where the report does not have the figure at all, NaN where it was not
// measured.
using Values = std::vector<std::optional<double>>;

// A section of bars with a group for each row of its table, a bar for each report.
struct Side {
  Section section;
  BarChart chart;

  Side(const char* id, const char* heading, const char* rows, const Reports& reports) {
    section.id = id;
    section.heading = heading;
    section.page_only = true;
    section.table.columns = {{rows, kLeft}};
    for (size_t i = 0; i < reports.size(); ++i) {
      section.table.columns.push_back({tag(i)});
      section.picture.legend.push_back({static_cast<int>(i), tag(i) + " " + reports[i].name});
    }
    chart.title = heading;
    chart.mono = false;
  }

  // Each behind the first with its ratio to the first.
  void add(const std::string& label, const Values& values, Show show, bool with_ratio,
           const std::vector<std::string>& remarks = {}) {
    BarRow row{label, label, {}, {}, false};
    std::vector<Cell> cells{label};
    const double first = values[0].value_or(std::nan(""));
    for (size_t i = 0; i < values.size(); ++i) {
      Cell cell(show, values[i].value_or(std::nan("")), values[i] ? "not measured" : "absent");
      Bar bar;
      if (std::isfinite(cell.value)) {
        cell.text = i < remarks.size() && !remarks[i].empty() ? " " + remarks[i] : "";
        if (with_ratio && i > 0 && first > 0)
          cell.text += " (" + to_label(Cell(kTimes, cell.value / first)) + ")";
        bar.segments = {{cell.value, static_cast<int>(i)}};
      }
      bar.text = tag(i) + " " + to_label(cell);
      row.bars.push_back(std::move(bar));
      cells.push_back(std::move(cell));
    }
    if (chart.rows.size() < kMostRows) chart.rows.push_back(std::move(row));
    section.table.rows.push_back(std::move(cells));
  }

  Section end() {
    if (section.table.rows.empty()) return {};
    set_chart(section, std::move(chart));
    return std::move(section);
  }
};

Values values_of(const Reports& reports, const std::function<double(const Json&)>& f) {
  Values values;
  for (const NamedReport& report : reports) values.push_back(f(report.json));
  return values;
}

Section accuracy_side(const Reports& reports) {
  Side side("accuracy", "Accuracy", "figure", reports);
  side.chart.axis = "share of right answers";
  side.chart.unit = "%";
  const auto add = [&](const char* label, JsonPath path) {
    side.add(label, values_of(reports, [&](const Json& r) { return number_in(r, path); }), kPercent,
             false);
  };
  add("spiking network", {"accuracy"});
  add("dense twin", {"dense_twin", "accuracy"});
  return side.end();
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

Section energy_side(const Reports& reports) {
  Side side("energy", "Energy per sample by scheme", "scheme", reports);
  side.section.notes = {
      "In brackets: the ratio to report [1], below 1 is cheaper; none where the reports price "
      "unlike shares of the synaptic work. Absent: the report does not price this form at this "
      "precision. \"throughout\": every operation at that precision."};
  for (size_t i = 0; i < reports.size(); ++i) {
    if (const std::string lacks = lacks_of(reports[i].json); !lacks.empty())
      side.section.notes.push_back(tag(i) + " is of " + lacks + ".");
  }
  side.chart.unit = "J";
  const std::vector<Variant> variants = variants_of(reports);
  std::vector<std::string> precisions;
  for (const Variant& v : variants) {
    if (std::find(precisions.begin(), precisions.end(), v.precision) == precisions.end())
      precisions.push_back(v.precision);
  }
  for (const std::string& precision : precisions) {
    side.chart.rows.push_back(
        {precision.empty() ? "no precision stated" : precision, "", {}, {}, true});
    for (const Variant& v : variants) {
      if (v.precision != precision) continue;
      side.add(v.form.empty() ? v.scheme : v.scheme + ", " + v.form, v.values, kJoule,
               same_share(v.priced), v.evidence);
      if (!precision.empty()) side.section.table.rows.back()[0].text += ", " + precision;
    }
  }
  choose_axis(side.chart, "energy per sample", 300);
  return side.end();
}

Section operations_side(const Reports& reports) {
  static const std::vector<std::pair<const char*, std::vector<const char*>>> kTotals = {
      {"AC: exact additions of the layers", {"event_adds"}},
      {"AC: attention, gated by K and Q", {"kv_k_gated_adds", "qkv_q_gated_adds"}},
      {"MAC: stem at every step, other real operands", {"stem_macs", "real_macs_without_stem"}},
      {"dense MACs of the layers, all steps", {"dense_macs"}},
      {"dense MACs of attention, all steps", {"dense_macs_attention"}},
      {"neuron updates", {"neuron_updates"}},
      {"spikes", {"spikes"}},
      {"synaptic weights read", {"weight_reads"}}};
  Side side("operations", "Operations per sample", "figure", reports);
  side.section.notes = {
      "Each report in the form that it ran. In brackets: the ratio to report [1]."};
  for (const auto& [label, keys] : kTotals) {
    const Values values = values_of(reports, [&, &added = keys](const Json& report) {
      const std::string form = text_in(report, {"run", "form"});
      double sum = 0;
      for (const char* key : added) sum += number_in(report, {"counts", form, "totals", key});
      return sum / number_in(report, {"run", "samples"});
    });
    const bool any =
        std::any_of(values.begin(), values.end(), [](const auto& v) { return std::isfinite(*v); });
    if (any) side.add(label, values, kCount, true);
  }
  choose_axis(side.chart, "per sample", 30);
  return side.end();
}

// Layers of all reports in the order of their networks.
std::vector<std::pair<std::string, Values>> layer_rates_of(const Reports& reports) {
  std::vector<std::pair<std::string, Values>> layers;
  for (size_t i = 0; i < reports.size(); ++i) {
    const Json& json = reports[i].json;
    size_t at = 0;  // where it is expected: the nets are alike
    for (const Json* layer : firing_layers(json)) {
      const std::string name = text_in(*layer, {"name"});
      auto found = layers.begin() + static_cast<std::ptrdiff_t>(std::min(at, layers.size()));
      if (found == layers.end() || found->first != name)
        found = std::find_if(layers.begin(), layers.end(),
                             [&](const auto& known) { return known.first == name; });
      if (found == layers.end())
        found = layers.emplace(layers.begin() + static_cast<std::ptrdiff_t>(at), name,
                               Values(reports.size()));
      found->second[i] = number_in(*layer, {"rate"});
      at = static_cast<size_t>(found - layers.begin()) + 1;
    }
  }
  return layers;
}

Section rates_side(const Reports& reports) {
  Side side("rates", "Firing rates", "layer", reports);
  side.section.notes = {
      "Spikes per neuron and step, mean over samples and steps. In brackets: the ratio to report "
      "[1]. Absent: the network has no such layer."};
  side.chart.axis = "mean firing rate";
  side.chart.unit = "%";
  side.chart.mono = true;
  side.add("whole network",
           values_of(reports,
                     [](const Json& r) {
                       return number_in(r, {"run", "mean_rate"});
                     }),
           kPercent, true);
  for (const auto& [name, values] : layer_rates_of(reports)) side.add(name, values, kPercent, true);
  note_drawn(side.section, side.chart.rows.size());
  return side.end();
}

Section provenance_side(const Reports& reports) {
  Section out{"provenance", "Provenance"};
  out.page_only = true;
  out.table.columns = {{"what", kLeft}};
  for (size_t i = 0; i < reports.size(); ++i) {
    out.table.columns.push_back({tag(i), kLeft});
    auto rows = provenance_rows(reports[i].json);
    rows.insert(rows.begin(), {"weights", weights_state(reports[i].json)});
    for (auto& [name, value] : rows) {
      auto found = std::find_if(out.table.rows.begin(), out.table.rows.end(),
                                [&name = name](const auto& row) { return row[0].text == name; });
      if (found == out.table.rows.end())
        found = out.table.rows.insert(found, std::vector<Cell>(reports.size() + 1, "absent"));
      (*found)[0] = name;
      (*found)[i + 1] = std::move(value);
    }
  }
  return out;
}

std::vector<Section> sections_of(const Reports& reports, const ComparisonResult& result) {
  std::vector<Section> out{accuracy_side(reports), energy_side(reports), rates_side(reports),
                           operations_side(reports)};
  out.insert(out.end(), result.sections.begin(), result.sections.end());
  for (size_t i = 0; i < reports.size(); ++i) {
    Section unpriced = unpriced_section(reports[i].json);
    if (unpriced.empty()) continue;
    unpriced.id += fmt::format("-{}", i + 1);
    unpriced.heading = fmt::format("What {} leaves unpriced", tag(i));
    unpriced.table.caption = reports[i].name;
    unpriced.page_only = true;
    out.push_back(std::move(unpriced));
  }
  out.push_back(provenance_side(reports));
  return out;
}

}  // namespace

std::string compare_text(const Reports& reports, const ComparisonResult& result, size_t width) {
  std::string out;
  for (size_t i = 0; i < reports.size(); ++i) {
    out += wrap(fmt::format("{} {}", tag(i), printable(reports[i].name, 90)), 4, width);
    if (const std::string verdict = verdict_of(reports[i].json); !verdict.empty())
      out += wrap("    " + printable(verdict, 800), 4, width);
    if (const std::string lacks = lacks_of(reports[i].json); !lacks.empty())
      out += wrap("    this report is of " + printable(lacks, 300), 4, width);
  }
  return out + to_text(result.sections, width);
}

std::string compare_page(const Reports& reports, const ComparisonResult& result) {
  std::string body;
  for (size_t i = 0; i < reports.size(); ++i) {
    check_report(reports[i]);
    body += paragraph(fmt::format("{} {} (weights: {})", tag(i), reports[i].name,
                                  weights_state(reports[i].json)));
    body += verdict_box(reports[i].json);
  }
  return page("Energy reports side by side", fmt::format("{} reports", reports.size()),
              body + to_html(sections_of(reports, result)),
              "Written by spikeloom compare; the page loads nothing and runs no script.");
}

}  // namespace spikeloom
