#include "hw_model/report/page_chips.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <map>

#include "core/io/text.hpp"
#include "hw_model/report/chip_break_even.hpp"
#include "hw_model/report/chip_compare.hpp"
#include "hw_model/report/draw/html.hpp"
#include "hw_model/report/draw/svg.hpp"
#include "hw_model/report/page_chip_lines.hpp"
#include "hw_model/report/report_view.hpp"

namespace spikeloom {
namespace {

constexpr size_t kMostBars = 200;
constexpr int kAcceleratorColor = 5;

// Where the energy of a run goes, coarse enough for a picture.
struct Share {
  const char* name;
  int color;
  std::vector<std::string> categories;
};
const std::vector<Share>& shares() {
  static const std::vector<Share> kShares = {
      {"synapses", 0, {"synapse", "multiply", "outer_product", "accumulate"}},
      {"neurons", 2, {"soma"}},
      {"packets", 1, {"axon_in", "axon_out", "network"}},
      {"memories", 4, {"memory"}},
      {"static, idle, barriers", 6, {"static", "idle", "sync"}},
      {"host", 3, {"host"}},
      {"moving weights and spikes", 7, {"moving"}},
  };
  return kShares;
}

// All terms of the total, also those of time, of a host and of bytes between turns.
std::vector<ChipEnergy::Term> terms_of(const ChipRun& run) {
  std::vector<ChipEnergy::Term> terms = run.dynamic;
  terms.insert(terms.end(), {{"static", run.static_j},
                             {"idle", run.idle_j},
                             {"sync", run.sync_j},
                             {"host", run.host_j},
                             {"moving", run.reload_j}});
  return terms;
}

bool is_known(const ChipRun& run, const std::string& term) {
  if (term == "static") return run.known.static_j;
  if (term == "idle") return run.known.idle_j;
  if (term == "sync") return run.known.sync_j;
  if (term == "host") return run.known.host_j;
  if (term == "moving") return run.known.reload_j;
  return run.has_price(term);
}

void add_bar(BarChart& chart, const std::string& label, const std::string& text,
             std::vector<BarSegment> segments) {
  BarRow row;
  row.label = row.tip = label;
  row.bars.push_back({std::move(segments), text, 0, false});
  chart.rows.push_back(std::move(row));
}

void note_cut(HtmlFigure& figure, size_t all) {
  if (all > kMostBars)
    figure.notes.push_back(
        fmt::format("The first {} of {} runs are drawn; the table has all.", kMostBars, all));
}

std::string energy_figure(const ChipReport& report) {
  HtmlFigure figure;
  figure.id = "energy";
  figure.heading = "Energy per inference, run by run";
  figure.table.header = {"run", "energy", "ratio", "on chip", "priced"};
  BarChart chart;
  chart.title = figure.heading;
  chart.unit = "J";
  chart.mono = false;
  bool unlike = false;
  const auto add = [&](const std::string& label, double joules, double ratio, int color,
                       const std::string& on_chip, const std::string& priced) {
    const std::string value = si_text(joules, "J"), times = ratio > 0 ? times_text(ratio, 1) : "-";
    figure.table.rows.push_back({label, value, times, on_chip, priced});
    unlike = unlike || ratio <= 0;
    std::string text = ratio > 0 ? value + " (" + times + ")" : value;
    if (!priced.empty() && priced != "100 %") text += ", " + priced + " priced";
    if (chart.rows.size() < kMostBars) add_bar(chart, label, text, {{joules, color}});
  };
  for (const ChipRun& run : report.runs) {
    if (run.refused.empty()) {
      add(run.label, run.total_j, ratio_of(report, run), 0, share_text(run.coverage.on_chip),
          share_text(run.coverage.priced));
    } else {
      figure.table.rows.push_back({run.label, "refused", "-", "-", "-"});
      if (chart.rows.size() < kMostBars) add_bar(chart, run.label, "refused", {});
    }
  }
  for (const AcceleratorRow& row : report.dense)
    add(row.label(), row.joules, ratio_of(report, row), kAcceleratorColor, "", "");
  figure.notes = {
      "What has a price, and in brackets its ratio to the first run. A total without the list of "
      "what is not priced (below) says little. On chip, priced: share of the synaptic work of the "
      "network."};
  if (unlike)
    figure.notes.push_back(
        "No ratio: that run did other work than the first (events, what is left to a host, share "
        "that is priced), or the first prices only a part.");
  note_cut(figure, figure.table.rows.size());
  figure.legend = {{0, "chips"}};
  if (!report.dense.empty()) figure.legend.push_back({kAcceleratorColor, "dense accelerators"});
  choose_axis(chart, "energy per inference", 100);
  set_chart(figure, chart);
  return render(figure);
}

// Shares as bars, every category as a table.
std::string categories_figure(const ChipReport& report) {
  HtmlFigure figure;
  figure.id = "categories";
  figure.heading = "Energy by category";
  BarChart chart;
  chart.title = "Share of each category in the energy of a run";
  chart.axis = "share of the energy that has a price";
  chart.unit = "%";
  chart.mono = false;
  std::vector<std::string> categories;
  for (const ChipRun& run : report.runs) {
    for (const ChipEnergy::Term& term : terms_of(run)) {
      if (term.joules > 0 &&
          std::find(categories.begin(), categories.end(), term.name) == categories.end())
        categories.push_back(term.name);
    }
  }
  figure.table.header = {"run"};
  figure.table.header.insert(figure.table.header.end(), categories.begin(), categories.end());
  std::vector<bool> used(shares().size());
  for (const ChipRun& run : report.runs) {
    if (!run.refused.empty() || run.total_j <= 0) continue;
    std::map<std::string, double> joules;
    for (const ChipEnergy::Term& term : terms_of(run)) joules[term.name] += term.joules;
    std::vector<std::string> cells{run.label};
    for (const std::string& category : categories)
      cells.push_back(is_known(run, category) ? si_text(joules[category], "J") : "not priced");
    figure.table.rows.push_back(std::move(cells));
    std::vector<BarSegment> segments;
    for (size_t i = 0; i < shares().size(); ++i) {
      double sum = 0;
      for (const std::string& category : shares()[i].categories) sum += joules[category];
      used[i] = used[i] || sum > 0;
      segments.push_back({sum / run.total_j, shares()[i].color});
    }
    if (chart.rows.size() < kMostBars)
      add_bar(chart, run.label, si_text(run.total_j, "J"), std::move(segments));
  }
  if (chart.rows.empty()) return "";
  for (size_t i = 0; i < shares().size(); ++i) {
    if (used[i]) figure.legend.push_back({shares()[i].color, shares()[i].name});
  }
  note_cut(figure, figure.table.rows.size());
  figure.table_name = "Energy per inference by category";
  set_chart(figure, chart);
  return render(figure);
}

std::string figures_section(const ChipReport& report) {
  HtmlTable table;
  table.header = {"run",          "energy",          "dynamic", "latency", "step",
                  "inferences/s", "cores",           "chips",   "in use",  "packets",
                  "hops",         "synaptic events", "mark"};
  for (const ChipRun& run : report.runs) {
    if (!run.refused.empty()) {
      table.rows.push_back({run.label + ": refused, " + run.refused});
      table.rows.back().resize(table.header.size());
      continue;
    }
    const auto per_inference = [&](int64_t count) {
      return si_text(static_cast<double>(count) / static_cast<double>(run.samples), "");
    };
    const bool timed = run.latency_s > 0;
    const auto time = [&](double value, const char* unit) {
      return timed ? si_text(value, unit) : std::string("-");
    };
    table.rows.push_back({run.label, si_text(run.total_j, "J"), si_text(run.dynamic_j, "J"),
                          time(run.latency_s, "s"), time(run.step_s, "s"), time(run.throughput, ""),
                          grouped(run.cores_used), grouped(run.chips_used),
                          timed ? percent_or_text(run.utilisation) : "-",
                          per_inference(run.totals.messages), per_inference(run.totals.hops),
                          per_inference(run.totals.events), std::string(1, run.weakest)});
  }
  for (const AcceleratorRow& row : report.dense) {
    table.rows.push_back({row.label(), si_text(row.joules, "J"), "",
                          row.seconds > 0 ? si_text(row.seconds, "s") : "-"});
    table.rows.back().resize(table.header.size() - 1);
    table.rows.back().push_back(std::string(1, row.weakest));
  }
  return section("figures", "All runs, per inference", render(table));
}

std::string verdicts_section(const ChipReport& report) {
  HtmlTable table;
  table.header = {"run"};
  for (const ChipRun& run : report.runs) {
    std::vector<std::string> cells(table.header.size());
    cells[0] = run.label;
    for (const ChipRun::Verdict& verdict : run.break_even.verdicts) {
      const std::string name =
          verdict.against.empty() ? verdict.id : verdict.id + ", " + verdict.against;
      auto found = std::find(table.header.begin() + 1, table.header.end(), name);
      if (found == table.header.end()) {
        found = table.header.insert(found, name);
        cells.emplace_back();
      }
      std::string& cell = cells[static_cast<size_t>(found - table.header.begin())];
      cell = name_of(verdict.verdict);
      if (verdict.verdict != Judgement::kNotApplicable)
        cell += fmt::format(": {} against {}", value_text(verdict), limit_text(verdict));
    }
    if (!run.break_even.verdicts.empty()) table.rows.push_back(std::move(cells));
  }
  if (table.rows.empty()) return "";
  for (auto& row : table.rows) row.resize(table.header.size());
  table.text_columns = table.header.size();
  return section("break-even", "Break-even",
                 paragraph("Whether spiking costs less than the dense network, after each "
                           "criterion: what was measured against the limit. Sources and reasons "
                           "stand in chip.json.") +
                     details("Verdicts by run", render(table)));
}

std::string unpriced_section(const ChipReport& report) {
  std::string body;
  const auto add = [&](const std::string& name, const std::vector<std::string>& unpriced) {
    if (!unpriced.empty())
      body +=
          details(fmt::format("{}: {} kinds of work", name, unpriced.size()), bullets(unpriced));
  };
  for (const ChipRun& run : report.runs) add(run.label, run.unpriced);
  for (const AcceleratorRow& row : report.dense) add(row.label(), row.unpriced);
  return body.empty() ? "" : section("unpriced", "What has no price", body);
}

std::string body_of(const ChipReport& report) {
  return page_chip_lines(report) + energy_figure(report) + categories_figure(report) +
         figures_section(report) + verdicts_section(report);
}

std::string differences_section(const nlohmann::json& differences) {
  HtmlTable table;
  table.header = {"assumption", "values"};
  table.text_columns = 2;
  for (const nlohmann::json& entry : differences) {
    std::string values;
    for (const nlohmann::json& value : list_in(entry, {"values"}))
      values += (values.empty() ? "" : " | ") + scalar_text(value);
    table.rows.push_back({text_in(entry, {"key"}), values});
  }
  return section("differences", "Assumptions that differ",
                 table.rows.empty() ? paragraph("None.") : render(table));
}

}  // namespace

std::string sweep_page(const ChipReport& report) {
  std::string body;
  if (report.labelled > 0) {
    body += paragraph(
        fmt::format("The recorded run answered {} of {} right.", report.correct, report.labelled));
  }
  return page(fmt::format("On chips: {} runs", report.runs.size()), report.trace,
              body + body_of(report) + unpriced_section(report),
              "Written by spikeloom chip; the page loads nothing and runs no script.");
}

std::string chip_compare_page(const std::vector<NamedReport>& reports,
                              const ComparisonResult& result) {
  const ChipReport all = chips_of(reports);
  std::string names;
  for (size_t r = 0; r < reports.size(); ++r)
    names += paragraph(fmt::format("[{}] {}", r + 1, reports[r].name));
  return page("Chip reports side by side", fmt::format("{} reports", reports.size()),
              names + body_of(all) + differences_section(result.json.at("differences")) +
                  unpriced_section(all),
              "Written by spikeloom compare; the page loads nothing and runs no script.");
}

}  // namespace spikeloom
