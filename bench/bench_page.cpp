#include "bench/bench_page.hpp"

#include <fmt/format.h>

#include <cmath>

#include "bench/bench_chart.hpp"
#include "bench/bench_onednn.hpp"
#include "hw_model/report/draw/bar_chart.hpp"
#include "hw_model/report/draw/html.hpp"
#include "hw_model/report/draw/svg.hpp"
#include "run/version.hpp"

namespace spikeloom {
namespace {

const char* const kFooter =
    "Medians; everything took turns in one process, so compare figures of this page only. "
    "Processor "
    "time on one thread, time on the wall on several.";

std::string facts(const BenchOptions& options, const BenchMachine& machine,
                  const Fact& competitor) {
  return fact_boxes(
      {{"Processor", machine.processor, fmt::format("{} cores", machine.cores), false},
       {"Engine", machine.backend, "compiler " + machine.compiler, false},
       competitor,
       {"Rounds", std::to_string(options.turns.rounds), "", false},
       {"Load", std::isnan(machine.load) ? "unknown" : fmt::format("{:.1f}", machine.load),
        "over the last minute, at the start", false}});
}

// Results that differ in nothing but the firing rate.
using Group = std::vector<const KernelResult*>;
bool same_group(const KernelResult& a, const KernelResult& b) {
  return a.layer.name == b.layer.name && a.steps == b.steps && a.threads == b.threads &&
         a.pattern == b.pattern;
}
std::vector<Group> groups(const std::vector<KernelResult>& results) {
  std::vector<Group> found;
  for (const KernelResult& result : results) {
    if (found.empty() || !same_group(*found.back().front(), result)) found.emplace_back();
    found.back().push_back(&result);
  }
  return found;
}

// How many times faster than `base` each contender is, at the rates of the group.
RatioChart chart_of(const Group& group, const std::string& base) {
  RatioChart chart;
  chart.title = fmt::format("Speed of {} against firing rate", group.front()->layer.name);
  chart.axis = "times faster than " + base;
  int color = 0;
  for (const Timing& timing : group.front()->timings) {
    if (timing.name == base || timing.name.ends_with(" lif") || timing.name == "reference")
      continue;
    RatioLine line{timing.name, color++, timing.name.starts_with("oneDNN"), {}};
    for (const KernelResult* result : group)
      line.points.push_back({result->rate, times_faster(*result, timing.name, base)});
    chart.lines.push_back(std::move(line));
  }
  return chart;
}

std::string said(const Crossover& crossover) {
  const std::string who = fmt::format("{} event and {}", crossover.precision, crossover.contender);
  switch (crossover.where) {
    case Crossing::kFaster: return who + ": events are faster at every rate measured";
    case Crossing::kSlower: return who + ": events are slower at every rate measured";
    case Crossing::kAt: break;
  }
  return fmt::format("{}: events are faster up to {}", who, percent_or_text(crossover.rate));
}

Table table_of(const Group& group) {
  Table table{"", {{"firing rate"}, {"additions/clock"}}};
  for (const Timing& timing : group.front()->timings) table.columns.push_back({timing.name});
  for (const KernelResult* result : group) {
    const double clocks = result->timings.front().median() * result->clock_hz;
    table.rows.push_back({{Show::kPercent, result->rate},
                          fmt::format("{:.2f}", static_cast<double>(result->additions) / clocks)});
    for (const Timing& timing : result->timings)
      table.rows.back().emplace_back(Show::kSecond, timing.median());
  }
  table.caption = "The numbers";
  return table;
}

std::string figure_of(const Group& group, size_t number, const BenchOptions& options) {
  const KernelResult& first = *group.front();
  Section figure;
  figure.id = fmt::format("layer{}", number);
  figure.heading = fmt::format(
      "{}, T {}, {} thread{}, {}", first.layer.name, first.steps, first.threads,
      first.threads == 1 ? "" : "s",
      first.layer.real ? "real operand" : fmt::format("{} spikes", name_of(first.pattern)));
  const bool against_onednn = find_timing(first.timings, "oneDNN f32") != nullptr;
  const RatioChart chart =
      chart_of(group, against_onednn ? "oneDNN f32" : options.precisions.front() + " dense");
  if (!first.layer.real) {
    for (const RatioLine& line : chart.lines)
      figure.picture.legend.push_back({line.color, line.name});
    figure.picture.draw = [chart](double width) { return draw(chart, width); };
    for (const Crossover& crossover : crossovers(group, options.precisions))
      figure.items.push_back(said(crossover));
  }
  figure.table = table_of(group);
  return to_html(figure);
}

}  // namespace

std::string kernels_page(const std::vector<KernelResult>& results, const BenchOptions& options,
                         const BenchMachine& machine) {
  const std::string onednn = onednn_version();
  std::string body =
      facts(options, machine, {"oneDNN", onednn.empty() ? "not built in" : onednn, "", false});
  size_t number = 0;
  for (const Group& group : groups(results)) body += figure_of(group, number++, options);
  return page("Kernels at chosen firing rates", fmt::format("spikeloom {} bench kernels", kVersion),
              body, kFooter);
}

std::string nets_page(const std::vector<NetResult>& results, const BenchOptions& options,
                      const BenchMachine& machine) {
  std::string body = facts(
      options, machine, {"PyTorch", results.empty() ? "" : results.front().rivals[0], "", false});
  for (size_t begin = 0; begin < results.size();) {
    size_t end = begin;
    BarChart chart;
    const NetResult& first = results[begin];
    chart.title = "Time of " + first.net;
    chart.unit = "s";
    Section figure;
    figure.id = first.net;
    figure.heading = fmt::format("{}: {}", first.net, first.input);
    figure.notes = {fmt::format("Batch 1, {} parameters, random weights. PyTorch: {}.",
                                grouped(first.parameters), first.rivals[0])};
    figure.table.columns = {{"contender", Align::kLeft},
                            {"firing rate"},
                            {"threads"},
                            {"median"},
                            {"best"},
                            {"faster"}};
    for (; end < results.size() && results[end].net == first.net; ++end) {
      const NetResult& result = results[end];
      const Timing* torch = find_timing(result.timings, "PyTorch");
      const std::string where = fmt::format("{}, {} thread{}", percent_or_text(result.rate),
                                            result.threads, result.threads == 1 ? "" : "s");
      chart.rows.push_back({where, "", {}, {}, true});
      for (const Timing& timing : result.timings) {
        const std::string faster =
            torch == nullptr ? "-" : times_text(torch->median() / timing.median(), 1);
        const bool engine = &timing != torch, compared = engine && torch != nullptr;
        chart.rows.push_back({timing.name,
                              where,
                              {{{{timing.median(), engine ? 0 : 1}},
                                si_text(timing.median(), "s") + (compared ? ", " + faster : ""),
                                0,
                                false}},
                              {},
                              false});
        figure.table.rows.push_back({timing.name, percent_or_text(result.rate),
                                     std::to_string(result.threads), si_text(timing.median(), "s"),
                                     si_text(timing.best(), "s"), faster});
      }
    }
    choose_axis(chart, "seconds per " + first.unit, 30);
    set_chart(figure, std::move(chart));
    body += to_html(figure);
    begin = end;
  }
  return page("Networks at chosen firing rates", fmt::format("spikeloom {} bench nets", kVersion),
              body, kFooter);
}

}  // namespace spikeloom
