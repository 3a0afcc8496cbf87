#include <fmt/format.h>

#include "core/io/text.hpp"
#include "hw_model/report/chip_break_even.hpp"
#include "hw_model/report/chip_report.hpp"

namespace spikeloom {
namespace {

constexpr double kPjPerJoule = 1e12;

constexpr const char* kNotPriced = "not priced";

std::string joules_text(double joules) {
  return energy_text(joules * kPjPerJoule);
}

std::string seconds_text(double seconds) {
  if (seconds <= 0) return "-";
  if (seconds < 1e-6) return fmt::format("{:.4g} ns", seconds * 1e9);
  if (seconds < 1e-3) return fmt::format("{:.4g} us", seconds * 1e6);
  if (seconds < 1) return fmt::format("{:.4g} ms", seconds * 1e3);
  return fmt::format("{:.4g} s", seconds);
}

// Energy that is no event's: a bound where a part of it has no price.
std::string other_text(const ChipRun& run) {
  if (run.known.all_but_dynamic()) return joules_text(run.other_j());
  return run.other_j() > 0 ? ">= " + joules_text(run.other_j()) : kNotPriced;
}

std::string coverage_line(const ChipRun& run) {
  return fmt::format("synaptic work: {} on the chip, {} priced\n", share_text(run.coverage.on_chip),
                     share_text(run.coverage.priced));
}

// "group: a, b, c; alone", groups in the order of their first member and cut to `kListed`.
std::string unpriced_text(const ChipRun& run) {
  constexpr size_t kListed = 5;
  std::vector<std::pair<std::string, std::vector<std::string>>> groups;
  for (const std::string& entry : run.unpriced) {
    const size_t colon = entry.find(": ");
    const std::string group = entry.substr(0, colon);
    if (groups.empty() || groups.back().first != group) groups.push_back({group, {}});
    if (colon != entry.npos) groups.back().second.push_back(entry.substr(colon + 2));
  }
  std::string text;
  for (const auto& [group, members] : groups) {
    text += (text.empty() ? "" : "; ") + group;
    for (size_t i = 0; i < std::min(kListed, members.size()); ++i)
      text += (i == 0 ? ": " : ", ") + members[i];
    if (members.size() > kListed) text += fmt::format(" and {} more", members.size() - kListed);
  }
  return wrap("not priced: " + (text.empty() ? "nothing" : text));
}

std::string per_inference(int64_t count, const ChipRun& run) {
  return count_text(static_cast<double>(count) / static_cast<double>(run.samples));
}

std::string layer_table(const ChipRun& run) {
  std::vector<std::vector<std::string>> rows = {
      {"layer, per inference", "neurons", "updates", "spikes", "packets", "events", "dynamic"}};
  for (const ChipRun::Layer& layer : run.layers) {
    rows.push_back({layer.name, std::to_string(layer.neurons), per_inference(layer.updates, run),
                    per_inference(layer.fired, run), per_inference(layer.packets, run),
                    per_inference(layer.events, run),
                    joules_text(layer.joules / static_cast<double>(run.samples))});
  }
  return columns(rows);
}

std::string energy_table(const ChipRun& run) {
  std::vector<std::vector<std::string>> rows = {{"energy per inference", ""}};
  for (const ChipEnergy::Term& term : run.dynamic) {
    if (!run.has_price(term.name)) rows.push_back({"  " + term.name, kNotPriced});
    if (term.joules > 0) rows.push_back({"  " + term.name, joules_text(term.joules)});
  }
  rows.push_back({"dynamic", joules_text(run.dynamic_j)});
  struct Other {
    const char* name;
    double joules;
    bool known;
  };
  // Few chips have an idle clock beside their static power: it is shown where there is one.
  const Other others[] = {{"static", run.static_j, run.known.static_j},
                          {"idle", run.idle_j, true},
                          {"synchronisation", run.sync_j, run.known.sync_j},
                          {"host", run.host_j, run.known.host_j},
                          {"moving weights and spikes", run.reload_j, run.known.reload_j}};
  for (const auto& [name, joules, known] : others) {
    if (joules > 0 || !known) rows.push_back({name, known ? joules_text(joules) : kNotPriced});
  }
  rows.push_back({"total of what is priced", joules_text(run.total_j)});
  return columns(rows);
}

std::string break_even_table(const ChipRun& run) {
  std::vector<std::vector<std::string>> rows = {{"break-even", "measured", "limit", "verdict"}};
  std::string reasons;
  for (const ChipRun::Verdict& verdict : run.break_even.verdicts) {
    const std::string name =
        verdict.against.empty() ? verdict.id : verdict.id + ", " + verdict.against;
    rows.push_back({name + ": " + verdict.quantity, value_text(verdict), limit_text(verdict),
                    std::string(name_of(verdict.verdict))});
    if (verdict.verdict == Judgement::kNotApplicable) reasons += wrap(name + ": " + verdict.why);
  }
  return columns(rows) + reasons;
}

// "wins 2 (a, b), loses 1 (c)": criteria by verdict.
std::string break_even_line(const ChipRun& run) {
  std::string text;
  for (const Judgement kind : kJudgements) {
    std::vector<std::string> ids;
    for (const ChipRun::Verdict& verdict : run.break_even.verdicts) {
      if (verdict.verdict == kind) ids.push_back(verdict.id);
    }
    if (ids.empty()) continue;
    text += fmt::format("{}{} {} ({})", text.empty() ? "" : ", ", name_of(kind), ids.size(),
                        fmt::join(ids, ", "));
  }
  return text.empty() ? "" : wrap("  break-even: " + text, 4);
}

std::string one_run(const ChipRun& run) {
  std::string text =
      fmt::format("{}: {} inferences, {} steps, level {}, mapper {}, {}-bit weights\n", run.label,
                  run.samples, run.steps, name_of(run.level), run.mapper, run.weight_bits);
  text += fmt::format("{} of {} cores on {} tiles, {} of {} chips; {} neurons, {} projections\n",
                      run.cores_used, run.cores, run.tiles_used, run.chips_used, run.chips,
                      run.neurons, run.projections);
  text += coverage_line(run) + "\n";
  text += turns_table(run) + layer_table(run) + "\n" + energy_table(run) + "\n";
  std::vector<std::vector<std::string>> rows = {
      {"per inference", ""},
      {"latency", seconds_text(run.latency_s)},
      {"latency of a step", seconds_text(run.step_s)},
      {"throughput", run.throughput > 0 ? fmt::format("{:.4g} inferences/s", run.throughput) : "-"},
      {"packets", per_inference(run.totals.messages, run)},
      {"packets received", per_inference(run.totals.deliveries, run)},
      {"hops", per_inference(run.totals.hops, run)},
      {"synaptic events", per_inference(run.totals.events, run)},
      {"neuron updates", per_inference(run.totals.updated, run)},
      {"utilisation of cores in use", percent_text(run.utilisation)}};
  text += columns(rows);
  if (!run.critical.empty()) text += wrap("critical: " + run.critical);
  if (!run.busiest_link.empty()) text += wrap("busiest: " + run.busiest_link);
  if (run.packet_hops_before >= 0) {
    text += fmt::format("placement: packet-hops {} -> {} ({})\n", run.packet_hops_before,
                        run.packet_hops_after,
                        ratio_text(static_cast<double>(run.packet_hops_after),
                                   static_cast<double>(run.packet_hops_before)));
  }
  if (run.overruns > 0) text += fmt::format("{} steps took longer than the tick\n", run.overruns);
  text += "\n" + break_even_table(run);
  text += fmt::format("\nweakest evidence: {}\n", run.weakest);
  return text + unpriced_text(run);
}

std::string dense_unpriced(const ChipReport& report) {
  std::string text;
  for (const AcceleratorRow& row : report.dense) {
    std::string list;
    for (const std::string& entry : row.unpriced) list += (list.empty() ? "" : ", ") + entry;
    text += row.name + "\n" + wrap("  not priced: " + (list.empty() ? "nothing" : list), 4);
  }
  return text;
}

}  // namespace

std::string chip_summary(const ChipRun& run) {
  std::string text =
      fmt::format("{}, level {}, mapper {}, {}-bit weights, {} of {} cores\n", run.chip,
                  name_of(run.level), run.mapper, run.weight_bits, run.cores_used, run.cores);
  text += energy_table(run);
  text +=
      fmt::format("latency {}, weakest evidence {}\n", seconds_text(run.latency_s), run.weakest);
  text += coverage_line(run);
  return text + unpriced_text(run) + break_even_line(run);
}

namespace {

constexpr size_t kWide = 1000;  // labels of sweeps are not cut

std::string times(double ratio) {
  return ratio > 0 ? ratio_text(ratio, 1) : "-";
}

// Why some rows have no ratio.
std::string missing_ratios(const ChipReport& report) {
  const ChipRun* base = base_of(report);
  std::vector<std::string> unlike;
  for (const ChipRun& run : report.runs) {
    if (run.refused.empty() && base != nullptr && !same_work(*base, run))
      unlike.push_back(run.label);
  }
  std::string text;
  if (!unlike.empty()) {
    text +=
        wrap(fmt::format("no ratio to {}: {} did other work (events, what is left to a host, "
                         "share that is priced)",
                         base->label, fmt::join(unlike, ", ")));
  }
  if (!report.dense.empty() && base != nullptr && !base->coverage.whole()) {
    text +=
        wrap(fmt::format("no ratio of an accelerator to {}, which prices {} of the synaptic work",
                         base->label, share_text(base->coverage.priced)));
  }
  return text;
}

std::string many_runs(const ChipReport& report) {
  std::vector<std::vector<std::string>> rows = {{"per inference", "energy*", "ratio", "dynamic",
                                                 "other", "on chip", "priced", "latency", "cores",
                                                 "chips", "used", "hops", "events", "mark"}};
  for (const ChipRun& run : report.runs) {
    if (!run.refused.empty()) {
      rows.push_back({run.label, "refused"});
      continue;
    }
    rows.push_back({run.label, joules_text(run.total_j), times(ratio_of(report, run)),
                    joules_text(run.dynamic_j), other_text(run), share_text(run.coverage.on_chip),
                    share_text(run.coverage.priced), seconds_text(run.latency_s),
                    std::to_string(run.cores_used), std::to_string(run.chips_used),
                    run.latency_s > 0 ? percent_text(run.utilisation) : "-",
                    per_inference(run.totals.hops, run), per_inference(run.totals.events, run),
                    std::string(1, run.weakest)});
  }
  for (const AcceleratorRow& row : report.dense) {
    rows.push_back({row.label(), joules_text(row.joules), times(ratio_of(report, row)), "", "", "",
                    "", seconds_text(row.seconds), "", "", "", "", "",
                    std::string(1, row.weakest)});
  }
  std::string text =
      columns(rows, kWide) +
      "\n* of what is priced; other: static, idle, "
      "synchronisation, host, moving weights and spikes (>=: a part has no price); on "
      "chip, priced: share of the network's synaptic work\n" +
      missing_ratios(report);
  for (const ChipRun& run : report.runs) {
    text += run.label + "\n  " +
            (run.refused.empty() ? unpriced_text(run) : wrap("refused: " + run.refused, 4)) +
            break_even_line(run);
  }
  return text + dense_unpriced(report);
}

std::string accuracy_text(const ChipReport& report) {
  if (report.labelled == 0) return "";
  return fmt::format(
      "accuracy of the recorded run: {} ({} of {})\n",
      percent_text(static_cast<double>(report.correct) / static_cast<double>(report.labelled)),
      report.correct, report.labelled);
}

}  // namespace

std::string chip_table(const ChipReport& report) {
  std::string text = accuracy_text(report);
  if (report.runs.size() != 1) return text + many_runs(report);
  text += one_run(report.runs[0]);
  for (const AcceleratorRow& row : report.dense) {
    text += fmt::format("dense accelerator {}: {}, {}\n", row.label(), joules_text(row.joules),
                        seconds_text(row.seconds));
  }
  return text + dense_unpriced(report);
}

}  // namespace spikeloom
