// One run on a chip.
#include "hw_model/report/chip_sections.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <limits>

#include "core/io/text.hpp"
#include "hw_model/report/draw/bar_chart.hpp"
#include "hw_model/report/draw/svg.hpp"

namespace spikeloom {
namespace {

using enum Align;
using enum Show;

constexpr double kNone = std::numeric_limits<double>::quiet_NaN();

Cell count_of(int64_t count) {
  return {kExact, static_cast<double>(count)};
}

Cell per_inference_of(int64_t count, const ChipRun& run) {
  return {kCount, static_cast<double>(count) / static_cast<double>(run.samples)};
}

std::string name_of_criterion(const ChipRun::Verdict& verdict) {
  return verdict.against.empty() ? verdict.id : verdict.id + ", " + verdict.against;
}

Section energy_part(const ChipRun& run) {
  Section out{"energy", "Energy per inference"};
  out.table.columns = {{"category", kLeft}, {"energy", kRight, "J"}};
  BarChart chart;
  chart.title = "Energy per inference by category";
  chart.unit = "J";
  chart.mono = false;
  const auto add = [&](const std::string& name, double joules, int color, bool known = true) {
    if (known && joules <= 0) return;
    const Cell cell(kJoule, known ? joules : kNone, known ? "" : "not priced");
    BarRow row{name, "", {}, {}, false};
    row.bars.push_back({{}, to_label(cell), 0, false});
    if (known) row.bars[0].segments = {{joules, color}};
    chart.rows.push_back(std::move(row));
    out.table.rows.push_back({name, cell});
  };
  for (const ChipEnergy::Term& term : run.dynamic)
    add(term.name, term.joules, 0, run.has_price(term.name));
  out.table.rows.push_back({"dynamic", {kJoule, run.dynamic_j}});
  // Few chips have an idle clock beside their static power: it is shown where there is one.
  add("static", run.static_j, 6, run.known.static_j);
  add("idle", run.idle_j, 6);
  add("synchronisation", run.sync_j, 6, run.known.sync_j);
  add("host", run.host_j, 1, run.known.host_j);
  add("moving weights and spikes", run.reload_j, 7, run.known.reload_j);
  out.table.rows.push_back({"total of what is priced", {kJoule, run.total_j}});
  if (chart.rows.empty()) return out;
  choose_axis(chart, "energy per inference", 100);
  out.table.caption = "Energies";
  out.picture.legend = {{0, "dynamic: per event"}, {6, "per second the chip is on"}};
  if (run.host_j > 0) out.picture.legend.push_back({1, "on the host processor"});
  set_chart(out, std::move(chart));
  return out;
}

Section figures_part(const ChipRun& run) {
  Section out{"figures", "Per inference"};
  out.table.columns = {{"figure", kLeft}, {"value"}};
  const auto time = [&](double seconds) { return Cell(kSecond, seconds > 0 ? seconds : kNone); };
  out.table.rows = {{"latency", time(run.latency_s)},
                    {"shortest latency of any mapping", time(run.bound_s)},
                    {"latency of a step", time(run.step_s)},
                    {"throughput", {kNumber, run.throughput > 0 ? run.throughput : kNone}},
                    {"packets", per_inference_of(run.totals.messages, run)},
                    {"packets received", per_inference_of(run.totals.deliveries, run)},
                    {"hops", per_inference_of(run.totals.hops, run)},
                    {"synaptic events", per_inference_of(run.totals.events, run)},
                    {"neuron updates", per_inference_of(run.totals.updated, run)},
                    {"utilisation of cores in use", {kPercent, run.utilisation}}};
  if (run.throughput > 0) out.table.rows[3][1].text = " inferences/s";
  return out;
}

Section layers_part(const ChipRun& run) {
  Section out{"layers", "Layer by layer, per inference"};
  out.table.columns = {{"layer", kLeft}, {"neurons"}, {"updates"}, {"spikes"},
                       {"packets"},      {"events"},  {"dynamic"}};
  for (const ChipRun::Layer& layer : run.layers) {
    out.table.rows.push_back({layer.name,
                              count_of(layer.neurons),
                              per_inference_of(layer.updates, run),
                              per_inference_of(layer.fired, run),
                              per_inference_of(layer.packets, run),
                              per_inference_of(layer.events, run),
                              {kJoule, layer.joules / static_cast<double>(run.samples)}});
  }
  return out.table.rows.empty() ? Section{} : out;
}

Section turns_part(const ChipRun& run) {
  Section out{"turns", "Layers in turn"};
  out.table.columns = {{"turn", kLeft}, {"layers"},         {"cores"},
                       {"weights, B"},  {"spikes read, B"}, {"written, B"}};
  out.table.keys = 0;  // names of layers are long and may wrap
  for (const ChipRun::Turn& turn : run.turns) {
    out.table.rows.push_back(
        {fmt::format("{}: {} to {}", out.table.rows.size() + 1, turn.first, turn.last),
         count_of(turn.layers), count_of(turn.cores), count_of(turn.weight_bytes),
         count_of(turn.read_bytes), count_of(turn.written_bytes)});
  }
  if (run.turns.empty()) return {};
  out.notes = {run.loads == 0
                   ? "All layers fit: nothing is loaded or stored."
                   : fmt::format("Weights are loaded {} times each: {} bytes; {} bytes of spikes "
                                 "are written and read.",
                                 run.loads, run.loaded_bytes, run.spike_bytes)};
  return out;
}

Section break_even_part(const ChipRun& run) {
  Section out{"break-even", "Break-even"};
  out.table.columns = {{"criterion", kLeft},
                       {"quantity", kLeft},
                       {"measured"},
                       {"limit"},
                       {"verdict", kLeft},
                       {"why", kLeft, "", "", true},
                       {"source", kLeft, "", "", true}};
  for (const ChipRun::Verdict& verdict : run.break_even.verdicts) {
    out.table.rows.push_back({name_of_criterion(verdict), std::string(text_of(verdict.quantity)),
                              value_text(verdict), limit_text(verdict), name_of(verdict.verdict),
                              verdict.why, verdict.source});
    if (verdict.verdict == Judgement::kNotApplicable)
      out.items.push_back(name_of_criterion(verdict) + ": " + verdict.why);
  }
  out.notes = {fmt::format(
      "Does spiking cost less than the dense network? {} steps tell one value; a dense network "
      "needs {} multiply-accumulates for what runs on the chip.",
      run.break_even.value_steps, count_text(run.break_even.macs))};
  Section layers;
  layers.page_only = true;
  layers.table.caption = "Layer by layer";
  layers.table.columns = {{"projection that reads spikes", kLeft},
                          {"spikes per synapse"},
                          {"firing rate of its source"}};
  for (const ChipRun::BreakEven::Layer& layer : run.break_even.layers)
    layers.table.rows.push_back(
        {layer.name, {kNumber, layer.spikes_per_synapse}, {kPercent, layer.rate}});
  out.parts.push_back(std::move(layers));
  return out;
}

Section prices_part(const ChipRun& run) {
  Section out{"prices", "Every count and its price"};
  out.page_only = true;
  out.table.columns = {{"operation", kLeft}, {"source", kLeft},    {"mark", kLeft}, {"count"},
                       {"pJ each"},          {"energy of the run"}};
  for (const ChipRun::Operation& op : run.operations) {
    if (op.count == 0) continue;
    out.table.rows.push_back(
        {op.name,
         op.source,
         op.priced ? std::string(1, op.mark) : "-",
         count_of(op.count),
         {kNumber, op.priced ? op.price_pj : kNone, op.priced ? "" : "no price"},
         {kJoule, op.priced ? op.joules : kNone}});
  }
  return out.table.rows.empty() ? Section{} : out;
}

// "group: a, b, c", groups in the order of their first member, cut where they are long.
std::vector<std::string> grouped_work(const std::vector<std::string>& unpriced) {
  constexpr size_t kListed = 5;
  std::vector<std::pair<std::string, std::vector<std::string>>> groups;
  for (const std::string& entry : unpriced) {
    const size_t colon = entry.find(": ");
    const std::string group = entry.substr(0, colon);
    if (groups.empty() || groups.back().first != group) groups.push_back({group, {}});
    if (colon != entry.npos) groups.back().second.push_back(entry.substr(colon + 2));
  }
  std::vector<std::string> out;
  for (const auto& [group, members] : groups) {
    out.push_back(group);
    for (size_t i = 0; i < std::min(kListed, members.size()); ++i)
      out.back() += (i == 0 ? ": " : ", ") + members[i];
    if (members.size() > kListed)
      out.back() += fmt::format(" and {} more", members.size() - kListed);
  }
  return out;
}

Section unpriced_part(const ChipRun& run) {
  Section out{"unpriced", "What has no price"};
  out.items = grouped_work(run.unpriced);
  if (out.items.empty()) out.notes = {"Nothing."};
  Section all;
  all.page_only = true;
  all.table.caption = "Every kind of work";
  all.table.columns = {{"work", kLeft}};
  for (const std::string& entry : run.unpriced) all.table.rows.push_back({entry});
  if (run.unpriced.size() > out.items.size()) out.parts.push_back(std::move(all));
  return out;
}

std::string coverage_line(const ChipRun& run) {
  return fmt::format("synaptic work: {} on the chip, {} priced", share_text(run.coverage.on_chip),
                     share_text(run.coverage.priced));
}

}  // namespace

std::vector<std::string> chip_lines(const ChipRun& run) {
  std::vector<std::string> lines{
      fmt::format("{}: {} inferences, {} steps, level {}, mapper {}, {}-bit weights", run.label,
                  run.samples, run.steps, name_of(run.level), run.mapper, run.weight_bits),
      fmt::format("{} of {} cores on {} tiles, {} of {} chips; {} neurons, {} projections",
                  run.cores_used, run.cores, run.tiles_used, run.chips_used, run.chips, run.neurons,
                  run.projections),
      coverage_line(run) + fmt::format("; weakest evidence: {}", run.weakest)};
  if (!run.critical.empty()) lines.push_back("critical: " + run.critical);
  if (!run.busiest_link.empty()) lines.push_back("busiest: " + run.busiest_link);
  if (run.packet_hops_before >= 0)
    lines.push_back(fmt::format("placement: packet-hops {} -> {} ({})", run.packet_hops_before,
                                run.packet_hops_after,
                                ratio_text(static_cast<double>(run.packet_hops_after),
                                           static_cast<double>(run.packet_hops_before))));
  if (run.overruns > 0)
    lines.push_back(fmt::format("{} steps took longer than the tick", run.overruns));
  return lines;
}

std::string headline_of(const ChipRun& run) {
  return fmt::format("{} per inference, {}", to_text(Cell(kJoule, run.total_j)),
                     verdict_of(run).text);
}

Section accelerators_section(const ChipReport& report) {
  Section out{"accelerators", "Dense accelerators"};
  out.table.columns = {{"accelerator", kLeft}, {"energy"}, {"latency"}, {"not priced", kLeft}};
  for (const AcceleratorRow& row : report.dense) {
    out.table.rows.push_back(
        {row.label(),
         {kJoule, row.joules},
         {kSecond, row.seconds > 0 ? row.seconds : kNone},
         row.unpriced.empty() ? "nothing" : fmt::format("{}", fmt::join(row.unpriced, ", "))});
  }
  return out.table.rows.empty() ? Section{} : out;
}

std::vector<Section> chip_sections(const ChipRun& run) {
  return {energy_part(run), figures_part(run), break_even_part(run), turns_part(run),
          layers_part(run), prices_part(run),  unpriced_part(run)};
}

Section hardware_section(const ChipRun& run) {
  Section out = energy_part(run);
  out.id = "hardware";
  out.heading = "On a chip: " + run.chip;
  const ChipVerdict verdict = verdict_of(run);
  out.notes = {
      fmt::format("{}, level {}, mapper {}, {}-bit weights, {} of {} cores", run.chip,
                  name_of(run.level), run.mapper, run.weight_bits, run.cores_used, run.cores),
      fmt::format("latency {}, weakest evidence {}",
                  to_text(Cell(kSecond, run.latency_s > 0 ? run.latency_s : kNone)), run.weakest),
      coverage_line(run), fmt::format("{}: {}", name_of(verdict.outcome), verdict.text)};
  const std::vector<std::string> work = grouped_work(run.unpriced);
  out.notes.push_back("not priced: " +
                      (work.empty() ? "nothing" : fmt::format("{}", fmt::join(work, "; "))));
  return out;
}

}  // namespace spikeloom
