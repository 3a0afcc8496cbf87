#include "hw_model/report/chip_report.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <map>
#include <numeric>
#include <set>

#include "hw_model/chip/noc.hpp"
#include "hw_model/report/chip_break_even.hpp"
#include "sim/counts/op_counts.hpp"

namespace spikeloom {
namespace {

constexpr double kJoulesPerPj = 1e-12, kSecondsPerNs = 1e-9;

// Multiply-accumulates of the nodes left to the host: dense, what is static once per sample.
class HostMacs {
 public:
  HostMacs(const Graph& graph, const std::vector<int64_t>& sample_steps) {
    std::map<int64_t, int64_t> lengths;
    for (const int64_t steps : sample_steps) ++lengths[steps];
    for (const auto& [steps, samples] : lengths) {
      const OpCounts counts = count_dense(graph, 1, steps);
      for (const LayerCount& layer : counts.layers)
        by_name_[layer.name] += samples * layer.dense_macs_once;
      for (const AttentionCount& attention : counts.attention) {
        by_name_[attention.name + " k^t v"] += samples * attention.dense_macs_kv;
        by_name_[attention.name + " q"] += samples * attention.dense_macs_qkv;
      }
    }
  }

  int64_t all() const {
    int64_t sum = 0;
    for (const auto& [name, macs] : by_name_) sum += macs;
    return sum;
  }

  int64_t of(const Node& node) const {
    const std::string attention = attention_name(node.name);
    if (std::holds_alternative<KtV>(node.op)) return at(attention + " k^t v");
    if (std::holds_alternative<QApply>(node.op)) return at(attention + " q");
    if (std::holds_alternative<SoftmaxAttention>(node.op))
      return at(attention + " k^t v") + at(attention + " q");
    return at(node.name);
  }

 private:
  int64_t at(const std::string& name) const {
    const auto found = by_name_.find(name);
    return found == by_name_.end() ? 0 : found->second;
  }

  std::map<std::string, int64_t> by_name_;
};

// Events of synapses, multipliers and outer products, and those that have a price.
std::pair<double, double> synaptic_events(const ChipRun& run) {
  double all = 0, priced = 0;
  for (const ChipRun::Operation& op : run.operations) {
    if (op.action != Action::kSynaptic) continue;
    all += static_cast<double>(op.count);
    priced += op.priced ? static_cast<double>(op.count) : 0.0;
  }
  return {all, priced};
}

void add_coverage(const ChipSpec& chip, const HostMacs& macs, ChipRun& run) {
  double host = 0;
  for (const ChipRun::HostWork& work : run.host) host += static_cast<double>(work.macs);
  const auto all = static_cast<double>(macs.all());
  const double off_chip = all > 0 ? std::min(1.0, host / all) : 0;
  const auto [events, priced] = synaptic_events(run);
  run.coverage.on_chip = 1 - off_chip;
  run.coverage.priced = run.coverage.on_chip * (events > 0 ? priced / events : 1);
  if (chip.host_mac_pj) run.coverage.priced += off_chip;
}

// What there is no price for must not look like 0.
void add_known(const ChipSpec& chip, ChipRun& run) {
  ChipRun::Known& known = run.known;
  known.time = run.level != Level::kCounts && run.totals.time_ns > 0;
  known.static_j = known.time && (chip.power.static_w || chip.power.static_w_per_core);
  known.idle_j = known.time && chip.power.idle_w_per_mhz && chip.power.clock_hz;
  known.sync_j = known.time && (chip.sync.mode != SyncMode::kBarrier || chip.sync.energy_pj);
  const bool host_macs = std::any_of(run.host.begin(), run.host.end(),
                                     [](const ChipRun::HostWork& work) { return work.macs > 0; });
  known.host_j = run.host.empty() || (host_macs && chip.host_mac_pj);
  for (const ChipEnergy::Term& term : run.dynamic) {
    const auto of_term = [&](const ChipRun::Operation& op) { return op.category == term.name; };
    const auto with_price = [&](const ChipRun::Operation& op) {
      return of_term(op) && (op.priced || op.count == 0);
    };
    const auto used = [&](const ChipRun::Operation& op) { return of_term(op) && op.count > 0; };
    const bool any_used = std::any_of(run.operations.begin(), run.operations.end(), used);
    const bool none_priced =
        std::none_of(run.operations.begin(), run.operations.end(),
                     [&](const ChipRun::Operation& op) { return used(op) && with_price(op); });
    if (any_used && none_priced) known.no_price.push_back(term.name);
  }
}

void add_host(const LoweredNetwork& lowered, const ChipSpec& chip, const HostMacs& macs,
              ChipRun& run) {
  if (lowered.host.empty()) return;
  int64_t counted = 0;
  for (const HostOperation& operation : lowered.host) {
    const Node& node = lowered.graph.node(operation.node);
    run.host.push_back({node.name, describe(node.op), operation.reason, macs.of(node)});
    counted += run.host.back().macs;
    if (run.host.back().macs > 0 && chip.host_mac_pj) continue;
    run.unpriced.push_back("host: " + node.name + " (" + run.host.back().op + ")");
  }
  run.unpriced.emplace_back("time of the host");
  if (!chip.host_mac_pj || counted == 0) return;
  run.host_j = static_cast<double>(counted) * chip.host_mac_pj->value * kJoulesPerPj /
               static_cast<double>(run.samples);
  run.weakest = weaker_mark(run.weakest, chip.host_mac_pj->mark);
}

void add_operations(const ReplayResult& result, ChipRun& run) {
  for (size_t op = 0; op < result.ops.size(); ++op) {
    const PricedOp& row = result.ops[op];
    ChipRun::Operation out{row.name, row.category, row.action, result.count(op), false, 0,
                           0,        'E',          ""};
    if (row.cost.energy_pj) {
      out.priced = true;
      out.price_pj = row.cost.energy_pj->value;
      out.mark = row.cost.energy_pj->mark;
      out.source = row.cost.energy_pj->source;
      out.joules = static_cast<double>(out.count) * out.price_pj * kJoulesPerPj;
    }
    run.operations.push_back(std::move(out));
  }
}

int64_t sum_of(const ReplayResult& result, const int64_t* row, Action action) {
  int64_t sum = 0;
  for (size_t op = 0; op < result.ops.size(); ++op) {
    if (result.ops[op].action == action) sum += row[op];
  }
  return sum;
}

void add_layers(const LoweredNetwork& lowered, const ReplayResult& result, ChipRun& run) {
  for (size_t p = 0; p < lowered.network.populations.size(); ++p) {
    const ChipPopulation& population = lowered.network.populations[p];
    const int64_t* row = result.by_layer.data() + p * result.ops.size();
    ChipRun::Layer layer;
    layer.name = population.name;
    layer.neurons = population.neurons();
    layer.updates = sum_of(result, row, Action::kUpdate);
    layer.fired = sum_of(result, row, Action::kFire);
    layer.packets = sum_of(result, row, Action::kAxonOut);
    layer.joules = energy_of_row(result.ops, row);
    for (size_t q = 0; q < lowered.network.projections.size(); ++q) {
      if (lowered.network.projections[q].target == static_cast<int>(p))
        layer.events += result.events[q];
    }
    run.layers.push_back(std::move(layer));
  }
}

void add_cores(const ChipSpec& chip, const ReplayResult& result, ChipRun& run) {
  double busy_ns = 0;
  for (int64_t core = 0; core < result.cores; ++core) {
    const int64_t* row = result.by_core.data() + static_cast<size_t>(core) * result.ops.size();
    if (std::all_of(row, row + result.ops.size(), [](int64_t count) { return count == 0; }))
      continue;
    const CorePlace place = place_of_core(chip, core);
    ChipRun::Core out{core, place.chip, place.tile, place.slot, 0, 0, 0, 0, 0};
    double side_ns[3] = {0, 0, 0};
    for (size_t op = 0; op < result.ops.size(); ++op) {
      const MaybeConstant& latency = result.ops[op].cost.latency_ns;
      if (latency)
        side_ns[static_cast<size_t>(result.ops[op].side)] +=
            static_cast<double>(row[op]) * latency->value;
    }
    const double busy = std::max(side_ns[static_cast<size_t>(Side::kGenerate)],
                                 side_ns[static_cast<size_t>(Side::kReceive)]);
    out.packets_in = sum_of(result, row, Action::kAxonIn);
    out.packets_out = sum_of(result, row, Action::kAxonOut);
    out.events = sum_of(result, row, Action::kSynaptic);
    out.joules = energy_of_row(result.ops, row);
    out.busy_s = busy * kSecondsPerNs;
    busy_ns += busy;
    run.core_rows.push_back(out);
  }
  const double time = run.totals.time_ns * static_cast<double>(result.cores_used);
  if (result.level != Level::kCounts && time > 0) run.utilisation = busy_ns / time;
}

std::string link_text(const Geometry& geometry, int64_t link) {
  const int64_t tile = link % geometry.tiles();
  return fmt::format("link {} of tile x {} y {}", kDirectionNames[link / geometry.tiles()],
                     tile % geometry.width, tile / geometry.width);
}

// What sets the length of the steps: the core or link that does so for the longest time.
void add_critical(const ChipSpec& chip, const ReplayResult& result, ChipRun& run) {
  const Geometry geometry(chip);
  const auto busiest = std::max_element(result.link_flits.begin(), result.link_flits.end());
  if (busiest != result.link_flits.end() && *busiest > 0) {
    run.busiest_link = fmt::format(
        "{}: {} flits", link_text(geometry, busiest - result.link_flits.begin()), *busiest);
  }
  const StepSums sums = result.sums();
  if (sums.critical.empty() || sums.critical_ns <= 0) return;
  const auto longest = std::max_element(
      sums.critical.begin(), sums.critical.end(),
      [](const auto& a, const auto& b) { return a.second.busy_ns < b.second.busy_ns; });
  const auto [critical, at] = longest->first;
  const CorePlace place = place_of_core(chip, at);
  const std::string where =
      critical == Critical::kLink
          ? link_text(geometry, at)
          : fmt::format("core {} (chip {}, tile {}, slot {}), {}", at, place.chip, place.tile,
                        place.slot, critical == Critical::kGenerate ? "generating" : "receiving");
  run.critical =
      fmt::format("{}: {} of {} steps, {:.0f} % of the busy time", where, longest->second.steps,
                  sums.steps, 100 * longest->second.busy_ns / sums.critical_ns);
}

void add_energy(const ChipSpec& chip, const ReplayResult& result, ChipRun& run) {
  const ChipEnergy energy = energy_of(chip, result);
  const auto samples = static_cast<double>(run.samples);
  for (ChipEnergy::Term term : energy.dynamic) {
    term.joules /= samples;
    run.dynamic.push_back(std::move(term));
  }
  run.dynamic_j = energy.dynamic_j / samples;
  run.static_j = energy.static_j / samples;
  run.idle_j = energy.idle_j / samples;
  run.sync_j = energy.sync_j / samples;
}

}  // namespace

bool ChipRun::has_price(const std::string& category) const {
  return std::find(known.no_price.begin(), known.no_price.end(), category) == known.no_price.end();
}

bool same_work(const ChipRun& a, const ChipRun& b) {
  const auto names = [](const ChipRun& run) {
    std::set<std::string> host;
    for (const ChipRun::HostWork& work : run.host) host.insert(work.name);
    return host;
  };
  // Of other samples there are other events, whatever the chip.
  const bool same_events = a.samples != b.samples || a.totals.events == b.totals.events;
  const bool same_share = a.coverage.priced == b.coverage.priced ||
                          (std::isnan(a.coverage.priced) && std::isnan(b.coverage.priced));
  return same_events && names(a) == names(b) && same_share;
}

const ChipRun* base_of(const ChipReport& report) {
  for (const ChipRun& run : report.runs) {
    if (run.refused.empty()) return &run;
  }
  return nullptr;
}

double ratio_of(const ChipReport& report, const ChipRun& run) {
  const ChipRun* base = base_of(report);
  if (base == nullptr || base->total_j <= 0 || !same_work(*base, run)) return 0;
  return run.total_j / base->total_j;
}

double ratio_of(const ChipReport& report, const AcceleratorRow& row) {
  const ChipRun* base = base_of(report);
  if (base == nullptr || base->total_j <= 0 || !base->coverage.whole()) return 0;
  return row.joules / base->total_j;
}

std::string_view name_of(Level level) noexcept {
  return kLevelNames[static_cast<size_t>(level)];
}

ChipRun price_run(const LoweredNetwork& lowered, const ChipSpec& chip, const ReplayResult& result,
                  const std::vector<int64_t>& sample_steps,
                  const std::vector<DenseSide>& baselines) {
  ChipRun run;
  run.chip = run.label = chip.name;
  run.chip_source = chip.source;
  run.level = result.level;
  run.samples = static_cast<int64_t>(sample_steps.size());
  run.steps = result.step_count();
  run.populations = static_cast<int64_t>(lowered.network.populations.size());
  run.projections = static_cast<int64_t>(lowered.network.projections.size());
  for (const ChipPopulation& population : lowered.network.populations)
    run.neurons += population.neurons();
  run.cores = chip.cores();
  run.cores_used = result.cores_used;
  run.tiles_used = result.tiles_used;
  run.chips = chip.chips();
  run.chips_used = result.chips_used;
  run.totals = result.total();
  run.overruns = result.overruns;
  run.weakest = weakest_evidence(chip, result);
  run.unpriced = lowered.unpriced;
  for (const std::string& operation : unpriced_operations(result))
    run.unpriced.push_back("chip: " + operation);
  add_energy(chip, result, run);
  add_operations(result, run);
  add_layers(lowered, result, run);
  add_cores(chip, result, run);
  add_critical(chip, result, run);
  if (result.level == Level::kCounts) {
    run.unpriced.emplace_back("time, and with it static, idle and synchronisation energy");
  } else {
    const double seconds = run.totals.time_ns * kSecondsPerNs;
    run.latency_s = seconds / static_cast<double>(run.samples);
    run.bound_s = time_bound_ns(chip, result) * kSecondsPerNs / static_cast<double>(run.samples);
    run.step_s = seconds / static_cast<double>(run.steps);
    run.throughput = seconds > 0 ? static_cast<double>(run.samples) / seconds : 0;
    if (!chip.power.static_w && !chip.power.static_w_per_core)
      run.unpriced.emplace_back("static power");
    if (chip.sync.mode == SyncMode::kBarrier && !chip.sync.energy_pj)
      run.unpriced.emplace_back("energy of barriers");
  }
  const HostMacs macs(lowered.graph, sample_steps);
  add_host(lowered, chip, macs, run);
  add_coverage(chip, macs, run);
  add_known(chip, run);
  run.total_j = run.dynamic_j + run.static_j + run.idle_j + run.sync_j + run.host_j;
  add_break_even(lowered, chip, result, sample_steps, baselines, run);
  return run;
}

void per_inference(ChipRun& run, int64_t inferences) {
  const double share = static_cast<double>(run.samples) / static_cast<double>(inferences);
  for (ChipEnergy::Term& term : run.dynamic) term.joules *= share;
  for (double* figure : {&run.dynamic_j, &run.static_j, &run.idle_j, &run.sync_j, &run.host_j,
                         &run.total_j, &run.latency_s, &run.bound_s, &run.break_even.macs})
    *figure *= share;
  run.throughput /= share;
  run.samples = inferences;
}

}  // namespace spikeloom
