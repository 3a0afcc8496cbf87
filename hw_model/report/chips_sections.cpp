// Many runs on chips beside each other: a sweep, or several reports.
#include <fmt/format.h>

#include <algorithm>
#include <limits>
#include <map>

#include "core/io/text.hpp"
#include "hw_model/report/chip_sections.hpp"
#include "hw_model/report/draw/bar_chart.hpp"
#include "hw_model/report/draw/svg.hpp"

namespace spikeloom {
namespace {

using enum Align;
using enum Show;

constexpr double kNone = std::numeric_limits<double>::quiet_NaN();
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

// All terms of the total, also those of time, of a host and of bytes between turns; NaN: no price.
std::vector<ChipEnergy::Term> terms_of(const ChipRun& run) {
  std::vector<ChipEnergy::Term> terms = run.dynamic;
  for (ChipEnergy::Term& term : terms) {
    if (!run.has_price(term.name)) term.joules = kNone;
  }
  const auto add = [&](const char* name, double joules, bool known) {
    terms.push_back({name, known ? joules : kNone});
  };
  add("static", run.static_j, run.known.static_j);
  add("idle", run.idle_j, run.known.idle_j);
  add("sync", run.sync_j, run.known.sync_j);
  add("host", run.host_j, run.known.host_j);
  add("moving", run.reload_j, run.known.reload_j);
  return terms;
}

void note_bars(Section& section) {
  const size_t all = section.table.rows.size();
  if (all > kMostBars)
    section.picture.notes.push_back(
        fmt::format("The first {} of {} runs are drawn; the table has all.", kMostBars, all));
}

void add_bar(BarChart& chart, const std::string& label, const std::string& text,
             std::vector<BarSegment> segments) {
  if (chart.rows.size() == kMostBars) return;
  BarRow row{label, label, {}, {}, false};
  row.bars.push_back({std::move(segments), text, 0, false});
  chart.rows.push_back(std::move(row));
}

Cell ratio_cell(double ratio) {
  return {kTimes, ratio > 0 ? ratio : kNone};
}

// Energy that is no event's: a bound where a part of it has no price.
Cell other_cell(const ChipRun& run) {
  if (run.known.all_but_dynamic()) return {kJoule, run.other_j()};
  if (run.other_j() > 0) return ">= " + to_text(Cell(kJoule, run.other_j()));
  return "not priced";
}

std::vector<Cell> run_row(const ChipReport& report, const ChipRun& run) {
  const auto each = [&](int64_t count) {
    return Cell(kCount, static_cast<double>(count) / static_cast<double>(run.samples));
  };
  const bool timed = run.latency_s > 0;
  const auto time = [&](Show show, double value) { return Cell(show, timed ? value : kNone); };
  return {run.label,
          {kJoule, run.total_j},
          ratio_cell(ratio_of(report, run)),
          {kJoule, run.dynamic_j},
          other_cell(run),
          share_text(run.coverage.on_chip),
          share_text(run.coverage.priced),
          time(kSecond, run.latency_s),
          {kExact, static_cast<double>(run.cores_used)},
          {kExact, static_cast<double>(run.chips_used)},
          time(kPercent, run.utilisation),
          each(run.totals.hops),
          each(run.totals.events),
          std::string(1, run.weakest),
          each(run.totals.messages),
          time(kSecond, run.step_s),
          time(kNumber, run.throughput)};
}

// Why some rows have no ratio.
std::vector<std::string> missing_ratios(const ChipReport& report) {
  const ChipRun* base = base_of(report);
  std::vector<std::string> unlike, notes;
  for (const ChipRun& run : report.runs) {
    if (run.refused.empty() && base != nullptr && !same_work(*base, run))
      unlike.push_back(run.label);
  }
  if (!unlike.empty())
    notes.push_back(
        fmt::format("No ratio to {}: {} did other work (events, what is left to a host, "
                    "share that is priced).",
                    base->label, fmt::join(unlike, ", ")));
  if (!report.dense.empty() && base != nullptr && !base->coverage.whole())
    notes.push_back(
        fmt::format("No ratio of an accelerator to {}, which prices {} of the synaptic "
                    "work.",
                    base->label, share_text(base->coverage.priced)));
  return notes;
}

Section runs_section(const ChipReport& report) {
  Section out{"energy", "Energy per inference, run by run"};
  out.table.caption = "All runs, per inference";
  out.table.columns = {{"run", kLeft},
                       {"energy"},
                       {"ratio"},
                       {"dynamic"},
                       {"other"},
                       {"on chip"},
                       {"priced"},
                       {"latency"},
                       {"cores"},
                       {"chips"},
                       {"in use"},
                       {"hops"},
                       {"events"},
                       {"mark", kLeft},
                       {"packets", kRight, "", "", true},
                       {"step", kRight, "", "", true},
                       {"inferences/s", kRight, "", "", true}};
  BarChart chart;
  chart.title = out.heading;
  chart.unit = "J";
  chart.mono = false;
  for (const ChipRun& run : report.runs) {
    if (!run.refused.empty()) {
      out.table.rows.push_back({run.label, "refused"});
      add_bar(chart, run.label, "refused", {});
      continue;
    }
    out.table.rows.push_back(run_row(report, run));
    const auto& row = out.table.rows.back();
    std::string text = to_label(row[1]);
    if (std::isfinite(row[2].value)) text += " (" + to_label(row[2]) + ")";
    if (run.coverage.priced < 1) text += ", " + share_text(run.coverage.priced) + " priced";
    add_bar(chart, run.label, text, {{run.total_j, 0}});
  }
  for (const AcceleratorRow& row : report.dense) {
    const Cell energy(kJoule, row.joules), ratio = ratio_cell(ratio_of(report, row));
    std::vector<Cell> cells{row.label(), energy, ratio};
    cells.resize(out.table.columns.size(), "");
    cells[7] = Cell(kSecond, row.seconds > 0 ? row.seconds : kNone);
    cells[13] = std::string(1, row.weakest);
    out.table.rows.push_back(std::move(cells));
    add_bar(chart, row.label(),
            to_label(energy) + (std::isfinite(ratio.value) ? " (" + to_label(ratio) + ")" : ""),
            {{row.joules, kAcceleratorColor}});
  }
  out.notes = {
      "energy: of what has a price, ratio: to the first run; a total without the list of what is "
      "not priced says little. other: static, idle, synchronisation, host, moving weights and "
      "spikes (>=: a part has no price). on chip, priced: share of the network's synaptic work. "
      "mark: the weakest evidence."};
  for (std::string& note : missing_ratios(report)) out.notes.push_back(std::move(note));
  note_bars(out);
  out.picture.legend = {{0, "chips"}};
  if (!report.dense.empty())
    out.picture.legend.push_back({kAcceleratorColor, "dense accelerators"});
  choose_axis(chart, "energy per inference", 100);
  set_chart(out, std::move(chart));
  return out;
}

// Shares as bars, every category as a table.
Section categories_section(const ChipReport& report) {
  Section out{"categories", "Energy by category"};
  out.page_only = true;
  out.table.caption = "Energy per inference by category";
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
  out.table.columns = {{"run", kLeft}};
  for (const std::string& category : categories) out.table.columns.push_back({category});
  std::vector<bool> used(shares().size());
  for (const ChipRun& run : report.runs) {
    if (!run.refused.empty() || run.total_j <= 0) continue;
    std::map<std::string, double> joules;
    for (const ChipEnergy::Term& term : terms_of(run)) joules[term.name] = term.joules;
    std::vector<Cell> cells{run.label};
    for (const std::string& category : categories)
      cells.emplace_back(kJoule, joules[category],
                         std::isnan(joules[category]) ? "not priced" : "");
    out.table.rows.push_back(std::move(cells));
    std::vector<BarSegment> segments;
    for (size_t i = 0; i < shares().size(); ++i) {
      double sum = 0;
      for (const std::string& category : shares()[i].categories) {
        if (joules[category] > 0) sum += joules[category];
      }
      used[i] = used[i] || sum > 0;
      segments.push_back({sum / run.total_j, shares()[i].color});
    }
    add_bar(chart, run.label, to_label(Cell(kJoule, run.total_j)), std::move(segments));
  }
  if (chart.rows.empty()) return {};
  for (size_t i = 0; i < shares().size(); ++i) {
    if (used[i]) out.picture.legend.push_back({shares()[i].color, shares()[i].name});
  }
  note_bars(out);
  set_chart(out, std::move(chart));
  return out;
}

// What was measured against the limit of each criterion, run by run.
Section verdicts_part(const ChipReport& report) {
  Section out;
  out.page_only = true;
  out.table.caption = "Verdicts by run";
  out.table.columns = {{"run", kLeft}};
  for (const ChipRun& run : report.runs) {
    std::vector<Cell> cells(out.table.columns.size(), "");
    cells[0] = run.label;
    for (const ChipRun::Verdict& verdict : run.break_even.verdicts) {
      const std::string name =
          verdict.against.empty() ? verdict.id : verdict.id + ", " + verdict.against;
      const auto found = std::find_if(out.table.columns.begin() + 1, out.table.columns.end(),
                                      [&](const Column& column) { return column.name == name; });
      const auto at = static_cast<size_t>(found - out.table.columns.begin());
      if (found == out.table.columns.end()) {
        out.table.columns.push_back({name, kLeft});
        cells.emplace_back("");
      }
      cells[at] = name_of(verdict.verdict);
      if (verdict.verdict != Judgement::kNotApplicable)
        cells[at].text += fmt::format(": {} against {}", value_text(verdict), limit_text(verdict));
    }
    if (!run.break_even.verdicts.empty()) out.table.rows.push_back(std::move(cells));
  }
  return out;
}

Section break_even_section(const ChipReport& report) {
  Section out{"break-even", "Break-even"};
  out.table.columns = {{"run", kLeft}};
  for (const Judgement judgement : kJudgements)
    out.table.columns.push_back({std::string(name_of(judgement)), kLeft});
  for (const ChipRun& run : report.runs) {
    if (run.break_even.verdicts.empty()) continue;
    std::vector<Cell> cells{run.label};
    for (const Judgement judgement : kJudgements) {
      std::vector<std::string> ids;
      for (const ChipRun::Verdict& verdict : run.break_even.verdicts) {
        if (verdict.verdict == judgement) ids.push_back(verdict.id);
      }
      cells.emplace_back(ids.empty() ? ""
                                     : fmt::format("{}: {}", ids.size(), fmt::join(ids, ", ")));
    }
    out.table.rows.push_back(std::move(cells));
  }
  if (out.table.rows.empty()) return {};
  out.notes = {
      "Whether spiking costs less than the dense network, after each criterion. Sources and "
      "reasons stand in chip.json."};
  out.parts = {verdicts_part(report)};
  return out;
}

// Work by work, who leaves it out: a chip where all its runs do.
Section unpriced_section(const ChipReport& report) {
  std::vector<std::pair<std::string, std::vector<const ChipRun*>>> work;
  std::map<std::string, size_t> runs;  // by chip
  const auto users = [&](const std::string& entry) -> std::vector<const ChipRun*>& {
    auto found = std::find_if(work.begin(), work.end(),
                              [&](const auto& known) { return known.first == entry; });
    return (found == work.end() ? work.insert(found, {entry, {}}) : found)->second;
  };
  for (const ChipRun& run : report.runs) {
    if (!run.refused.empty()) continue;
    ++runs[run.chip];
    for (const std::string& entry : run.unpriced) users(entry).push_back(&run);
  }
  Section out{"unpriced", "What has no price"};
  out.table.columns = {{"work", kLeft}, {"left out by", kLeft}};
  out.table.keys = 0;
  for (const auto& [entry, mine] : work) {
    std::map<std::string, size_t> of_chip;
    for (const ChipRun* run : mine) ++of_chip[run->chip];
    std::vector<std::string> names;
    for (const ChipRun* run : mine) {
      const std::string& name = of_chip[run->chip] == runs[run->chip] ? run->chip : run->label;
      if (std::find(names.begin(), names.end(), name) == names.end()) names.push_back(name);
    }
    out.table.rows.push_back({entry, fmt::format("{}", fmt::join(names, ", "))});
  }
  for (const AcceleratorRow& row : report.dense) {
    for (const std::string& entry : row.unpriced) out.table.rows.push_back({entry, row.label()});
  }
  return out.table.rows.empty() ? Section{} : out;
}

Section refused_section(const ChipReport& report) {
  Section out{"refused", "Refused"};
  for (const ChipRun& run : report.runs) {
    if (!run.refused.empty()) out.items.push_back(run.label + ": " + run.refused);
  }
  return out;
}

}  // namespace

std::vector<Section> chips_sections(const ChipReport& report) {
  std::vector<Section> out = chip_line_sections(report);
  for (Section section :
       {runs_section(report), categories_section(report), break_even_section(report),
        refused_section(report), unpriced_section(report)})
    out.push_back(std::move(section));
  return out;
}

ChipVerdict verdict_of(const ChipReport& report) {
  std::map<Outcome, int> votes;
  const ChipRun* least = nullptr;
  int runs = 0;
  for (const ChipRun& run : report.runs) {
    if (!run.refused.empty()) continue;
    ++runs;
    ++votes[verdict_of(run).outcome];
    if (least == nullptr || run.total_j < least->total_j) least = &run;
  }
  if (least == nullptr) return {Outcome::kUndecided, "every run was refused"};
  ChipVerdict out;
  for (const auto& [outcome, count] : votes) {
    if (count == runs) out.outcome = outcome;
  }
  if (votes.size() > 1 &&
      votes[Outcome::kWins] + votes[Outcome::kLoses] + votes[Outcome::kMixed] > 0)
    out.outcome = Outcome::kMixed;
  constexpr std::pair<Outcome, const char*> kWords[] = {
      {Outcome::kWins, "cheaper than a dense network by all criteria that decide"},
      {Outcome::kLoses, "dearer by all"},
      {Outcome::kMixed, "cheaper by some and dearer by others"},
      {Outcome::kUndecided, "undecided"}};
  for (const auto& [outcome, words] : kWords) {
    if (votes[outcome] > 0)
      out.text += fmt::format("{}{} in {} of {} runs", out.text.empty() ? "" : ", ", words,
                              votes[outcome], runs);
  }
  out.text +=
      fmt::format("; least energy per inference: {}, {} ({} of the work priced)", least->label,
                  to_text(Cell(kJoule, least->total_j)), share_text(least->coverage.priced));
  return out;
}

}  // namespace spikeloom
