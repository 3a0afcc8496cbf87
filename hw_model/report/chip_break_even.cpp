#include "hw_model/report/chip_break_even.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <set>

#include "core/error.hpp"
#include "core/io/text.hpp"
#include "hw_model/chip/operations.hpp"
#include "hw_model/chip/synapse_break_even.hpp"
#include "hw_model/energy/break_even.hpp"
#include "sim/graph/step_axis.hpp"

namespace spikeloom {
namespace {

using Verdict = ChipRun::Verdict;

constexpr double kPjPerJoule = 1e12;
constexpr const char* kDefaultDense = "dense_systolic";
// As chip reports write them.
constexpr std::string_view kQuantities[] = {"spikes per synapse", "firing rate", "events per MAC",
                                            "J per inference"};

// Multiply-accumulates a dense network needs for what a projection does in one step, padding
// included.
int64_t connections_of(const ChipNetwork& network, const Projection& projection) {
  const ChipPopulation& source = network.populations[static_cast<size_t>(projection.source)];
  const ChipPopulation& target = network.populations[static_cast<size_t>(projection.target)];
  if (const auto* dense = std::get_if<DenseSynapses>(&projection.synapses))
    return source.neurons() * target.neurons() * dense->taps;
  if (const auto* conv = std::get_if<ConvSynapses>(&projection.synapses))
    return target.neurons() * (source.channels / conv->groups) * conv->kernel_y * conv->kernel_x;
  if (const auto* sparse = std::get_if<SparseSynapses>(&projection.synapses))
    return static_cast<int64_t>(sparse->targets.size());
  const auto& attention = std::get<AttentionSynapses>(projection.synapses);
  return attention.role == AttentionRole::kKey
             ? 0
             : source.neurons() * (source.channels / attention.heads);
}

// What a run did, as the criteria want it.
struct Work {
  OpCounts counts;          // layers that read spikes
  int64_t value_steps = 1;  // T: steps that one pass of a dense network stands for
  double macs = 0;          // of a dense network, per inference
  double events = 0;        // all, per inference
  double fan_in = 0;        // synapses of a neuron, mean over targets of spikes
};

Work work_of(const LoweredNetwork& lowered, const ReplayResult& result,
             const std::vector<int64_t>& sample_steps, const ChipRun& run) {
  const ChipNetwork& network = lowered.network;
  const Input* input = lowered.graph.nodes().empty()
                           ? nullptr
                           : std::get_if<Input>(&lowered.graph.nodes().front().op);
  Work work;
  if (input == nullptr || !is_dense_at_every_step(lowered.graph))
    work.value_steps = sample_steps.front();
  work.counts.form = lowered.graph.form;
  work.counts.samples = run.samples;
  work.counts.evaluations = run.steps;
  int64_t synapses = 0, connections = 0, neurons = 0;
  std::set<int> targets;
  for (size_t q = 0; q < network.projections.size(); ++q) {
    const Projection& projection = network.projections[q];
    const auto source = static_cast<size_t>(projection.source);
    const int64_t here = connections_of(network, projection);
    connections += here;
    if (network.populations[source].payload_bits > 0 ||
        std::holds_alternative<AttentionSynapses>(projection.synapses))
      continue;
    LayerCount layer;
    layer.name = projection.name;
    layer.spike_operand = true;
    layer.dense_macs = here * run.steps;
    layer.event_adds = result.events[q];
    layer.input_elements = network.populations[source].neurons() * run.steps;
    layer.input_events = run.layers[source].fired;
    work.counts.layers.push_back(std::move(layer));
    synapses += here;
    if (targets.insert(projection.target).second)
      neurons += network.populations[static_cast<size_t>(projection.target)].neurons();
  }
  for (size_t p = 0; p < network.populations.size(); ++p) {
    if (lowered.sources[p] != SpikeSource::kTrace) continue;
    work.counts.totals.spikes += run.layers[p].fired;
    work.counts.totals.firing_updates += network.populations[p].neurons() * run.steps;
  }
  const auto samples = static_cast<double>(run.samples);
  work.macs = static_cast<double>(connections) * static_cast<double>(run.steps) /
              static_cast<double>(work.value_steps) / samples;
  work.events = static_cast<double>(run.totals.events) / samples;
  if (neurons > 0) work.fan_in = static_cast<double>(synapses) / static_cast<double>(neurons);
  return work;
}

Verdict judged(Verdict verdict) {
  const Position position = position_of(verdict.low, verdict.high, verdict.value);
  const bool tie = position == Position::kInside && verdict.low == verdict.high;
  verdict.verdict = position == Position::kBelow          ? Judgement::kWins
                    : position == Position::kAbove || tie ? Judgement::kLoses
                                                          : Judgement::kUndecided;
  return verdict;
}

Verdict not_applicable(Verdict verdict, const std::string& why) {
  verdict.verdict = Judgement::kNotApplicable;
  verdict.why = why;
  return verdict;
}

void add_published(const Work& work, const ChipRun& run, ChipRun::BreakEven& out) {
  const BreakEvenReport report =
      break_even(work.counts, work.value_steps, static_cast<int>(run.weight_bits));
  out.spikes_per_synapse = report.network.s;
  out.rate = report.network.rate;
  for (const LayerBreakEven& layer : report.layers)
    out.layers.push_back({layer.name, layer.s, layer.rate});
  for (const BreakEvenCondition& condition : break_even_conditions(work.value_steps)) {
    Verdict verdict;
    verdict.id = condition.id;
    verdict.source = condition.source;
    verdict.quantity = condition.quantity;
    if (report.conditions.empty()) {
      out.verdicts.push_back(not_applicable(verdict, "no projection on the chip reads spikes"));
      continue;
    }
    if (condition.nearest) {
      out.verdicts.push_back(
          not_applicable(verdict, "published for other numbers of steps: " + condition.note));
      continue;
    }
    verdict.low = condition.low;
    verdict.high = condition.high;
    verdict.value = condition.quantity == Quantity::kFiringRate ? out.rate : out.spikes_per_synapse;
    verdict.why = condition.note;
    out.verdicts.push_back(judged(verdict));
  }
}

// From the constants alone: what a synapse costs on the chip and a MAC in the accelerator.
Verdict by_constants(const Work& work, const ChipSpec& chip, const DenseSide& dense,
                     double spikes_per_synapse, Verdict verdict) {
  verdict.id = "constants";
  verdict.source = "s* = (E_mac - T E_neuron / fan-in) / E_event, of the two descriptions";
  verdict.quantity = Quantity::kSpikesPerSynapse;
  if (work.fan_in <= 0) return not_applicable(verdict, "no projection on the chip reads spikes");
  try {
    const SynapseCosts costs = synapse_costs(chip, dense.spec, work.value_steps, work.fan_in);
    verdict.low = verdict.high = break_even_spikes(costs, work.value_steps);
    verdict.value = spikes_per_synapse;
    verdict.why = fmt::format(
        "event {:.4g} pJ, MAC {:.4g} pJ, neuron {:.4g} pJ per synapse and step at a mean fan-in of "
        "{:.4g}; no packets, memories, static power",
        costs.event_pj, costs.mac_pj, costs.neuron_pj_per_synapse, work.fan_in);
    return judged(verdict);
  } catch (const Error& error) {
    return not_applicable(verdict, error.what());
  }
}

// Energy of updates and their state, J per inference.
double neuron_joules(const ChipSpec& chip, const ChipRun& run) {
  const OpTable table = operations_of(chip);
  double joules = 0;
  for (size_t op = 0; op < run.operations.size(); ++op) {
    const ChipRun::Operation& row = run.operations[op];
    const bool update = row.action == Action::kAccess || row.action == Action::kUpdate;
    const bool state =
        static_cast<int>(op) == table.state_read || static_cast<int>(op) == table.state_write;
    if (update || state) joules += row.joules;
  }
  return joules / static_cast<double>(run.samples);
}

// Energy of weights that are loaded for every turn, J per inference: as little a matter of spikes
// as time is. The other bytes that move between turns are spikes.
double loading_joules(const ChipRun& run) {
  if (run.loaded_bytes == 0) return 0;
  const auto loaded = static_cast<double>(run.loaded_bytes);
  return run.reload_j * loaded / (loaded + static_cast<double>(run.spike_bytes));
}

// From what the run spent: every joule is one of events, of neurons or of time.
Verdict by_energies(const Work& work, const ChipSpec& chip, const DenseSide& dense,
                    const ChipRun& run, Verdict verdict) {
  verdict.id = "general_form";
  verdict.source = "e* = (E_dense - E_neurons - E_time) / (MACs E_event), energies of this run";
  verdict.quantity = Quantity::kEventsPerMac;
  const double loading = loading_joules(run), neurons = neuron_joules(chip, run);
  const double events = run.dynamic_j - neurons + run.reload_j - loading;
  const double time = run.static_j + run.idle_j + run.sync_j + loading;
  if (work.macs <= 0 || work.events <= 0 || events <= 0)
    return not_applicable(verdict, "no synaptic event of the chip has a price");
  const MaybeConstant mac = mac_price(dense.spec, work.value_steps);
  const bool whole = dense.row && run.host.empty();
  if (!whole && (!mac || dense.spec.relative))
    return not_applicable(verdict, "the accelerator has no price in pJ for a MAC");
  const double dense_j = whole ? dense.row->joules : work.macs * mac->value / kPjPerJoule;
  verdict.low = verdict.high = (dense_j - neurons - time) / (events / work.events * work.macs);
  verdict.value = work.events / work.macs;
  verdict.why = fmt::format(
      "dense {} ({}), neurons {}, static, idle{} {}, {} per event with its packets",
      energy_text(dense_j * kPjPerJoule), whole ? "buffers and DRAM included" : "arithmetic alone",
      energy_text(neurons * kPjPerJoule), loading > 0 ? ", barriers and loading" : " and barriers",
      energy_text(time * kPjPerJoule), energy_text(events / work.events * kPjPerJoule));
  if (run.level == Level::kCounts) verdict.why += "; level counts knows no time";
  if (!run.host.empty()) verdict.why += "; only what runs on the chip";
  return judged(verdict);
}

std::string node_text(int64_t node_nm) {
  return node_nm > 0 ? fmt::format("{} nm", node_nm) : std::string("a node not stated");
}

Verdict by_measure(const DenseSide& dense, const ChipRun& run, Verdict verdict) {
  verdict.id = "measured";
  verdict.source = "energy per inference of this run and of the accelerator's";
  verdict.quantity = Quantity::kJoulesPerInference;
  verdict.low = verdict.high = dense.row->joules;
  verdict.value = run.total_j;
  verdict = judged(verdict);
  verdict.why = fmt::format("without price: {} kinds of work of the chip, {} of the accelerator",
                            run.unpriced.size(), dense.row->unpriced.size());
  if (run.host.empty() || verdict.verdict != Judgement::kWins) return verdict;
  verdict.verdict = Judgement::kUndecided;
  verdict.why += fmt::format("; {} operations are left to a host", run.host.size());
  return verdict;
}

}  // namespace

void add_break_even(const LoweredNetwork& lowered, const ChipSpec& chip, const ReplayResult& result,
                    const std::vector<int64_t>& sample_steps,
                    const std::vector<DenseSide>& baselines, ChipRun& run) {
  const Work work = work_of(lowered, result, sample_steps, run);
  run.break_even = {};
  ChipRun::BreakEven& out = run.break_even;
  out.value_steps = work.value_steps;
  out.macs = work.macs;
  add_published(work, run, out);
  std::vector<DenseSide> all = baselines;
  if (all.empty()) all.push_back({load_dense(kDefaultDense), std::nullopt});
  for (const DenseSide& dense : all) {
    ChipRun::Verdict verdict;
    verdict.against = fmt::format("{} ({})", dense.spec.name, name_of(dense.spec.format));
    const size_t first = out.verdicts.size();
    out.verdicts.push_back(by_constants(work, chip, dense, out.spikes_per_synapse, verdict));
    out.verdicts.push_back(by_energies(work, chip, dense, run, verdict));
    if (dense.row) out.verdicts.push_back(by_measure(dense, run, verdict));
    if (chip.node_nm == dense.spec.node_nm && chip.node_nm > 0) continue;
    for (size_t v = first; v < out.verdicts.size(); ++v)
      out.verdicts[v].why += fmt::format("; not of one node: {} against {}",
                                         node_text(chip.node_nm), node_text(dense.spec.node_nm));
  }
}

std::string_view name_of(Judgement judgement) noexcept {
  constexpr std::string_view kNames[] = {"wins", "loses", "undecided", "not applicable"};
  return kNames[static_cast<size_t>(judgement)];
}

ChipVerdict verdict_of(const ChipRun& run) {
  struct Votes {
    Judgement verdict;
    const char* text;
    size_t count = 0;
    std::string ids = {};
  };
  Votes sides[] = {{Judgement::kWins, "cheaper than a dense network by"},
                   {Judgement::kLoses, "dearer by"},
                   {Judgement::kUndecided, "undecided by"}};
  ChipVerdict out;
  for (Votes& side : sides) {
    for (const ChipRun::Verdict& verdict : run.break_even.verdicts) {
      if (verdict.verdict != side.verdict) continue;
      ++side.count;
      side.ids += (side.ids.empty() ? "" : ", ") + verdict.id;
    }
    if (side.count == 0) continue;
    out.text += fmt::format("{}{} {} {} ({})", out.text.empty() ? "" : "; ", side.text, side.count,
                            side.count == 1 ? "criterion" : "criteria", side.ids);
  }
  const auto [wins, loses] = std::pair{sides[0].count, sides[1].count};
  out.outcome = wins > 0 && loses > 0 ? Outcome::kMixed
                : wins > 0            ? Outcome::kWins
                : loses > 0           ? Outcome::kLoses
                                      : Outcome::kUndecided;
  if (out.text.empty()) out.text = "no published criterion applies";
  return out;
}

std::string_view text_of(Quantity quantity) noexcept {
  return kQuantities[static_cast<size_t>(quantity)];
}

std::optional<Quantity> quantity_of(std::string_view text) noexcept {
  const auto* found = std::find(std::begin(kQuantities), std::end(kQuantities), text);
  if (found == std::end(kQuantities)) return std::nullopt;
  return static_cast<Quantity>(found - std::begin(kQuantities));
}

std::string value_text(const ChipRun::Verdict& verdict) {
  if (verdict.verdict == Judgement::kNotApplicable) return "-";
  if (verdict.quantity == Quantity::kJoulesPerInference)
    return energy_text(verdict.value * kPjPerJoule);
  if (verdict.quantity == Quantity::kFiringRate) return percent_text(verdict.value);
  return fmt::format("{:.4g}", verdict.value);
}

std::string limit_text(const ChipRun::Verdict& verdict) {
  if (verdict.low == verdict.high || verdict.verdict == Judgement::kNotApplicable) {
    ChipRun::Verdict limit = verdict;
    limit.value = verdict.low;
    return value_text(limit);
  }
  const double scale = verdict.quantity == Quantity::kFiringRate ? 100 : 1;
  return fmt::format("{:.4g}..{:.4g}{}", scale * verdict.low, scale * verdict.high,
                     scale > 1 ? " %" : "");
}

}  // namespace spikeloom
