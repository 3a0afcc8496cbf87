#include "sim/graph/node_work.hpp"

#include <algorithm>

#include "core/error.hpp"
#include "sim/graph/graph.hpp"

namespace spikeloom {
namespace {

const PopulationStatistics& statistics_of(const RunStatistics& run, const std::string& name) {
  const auto found = run.populations.find(name);
  if (found == run.populations.end())
    throw Error(ErrorCode::kInternal, "no spike statistics for population " + name);
  return found->second;
}

void add_up(std::vector<int64_t>& sum, const std::vector<int64_t>& more) {
  sum.resize(std::max(sum.size(), more.size()));
  for (size_t i = 0; i < more.size(); ++i) sum[i] += more[i];
}

}  // namespace

EventCounts& EventCounts::operator+=(const EventCounts& other) {
  events += other.events;
  add_up(per_row, other.per_row);
  add_up(per_step, other.per_step);
  return *this;
}

RunStatistics packets_of(const RunStatistics& run) {
  RunStatistics once = run;
  for (auto& [name, population] : once.populations) {
    if (!population.packets) continue;
    population.events = population.packets->events;
    population.events_per_row = population.packets->per_row;
    population.events_per_step = population.packets->per_step;
  }
  return once;
}

ElementwiseCounts& ElementwiseCounts::operator+=(const ElementwiseCounts& other) {
  constexpr int64_t ElementwiseCounts::*kAll[] = {
      &ElementwiseCounts::batch_norm,
      &ElementwiseCounts::batch_norm_unfoldable,
      &ElementwiseCounts::residual_additions,
      &ElementwiseCounts::bias_additions,
      &ElementwiseCounts::scalings,
      &ElementwiseCounts::spatial_mean,
      &ElementwiseCounts::step_mean,
      &ElementwiseCounts::pooled,
      &ElementwiseCounts::activations,
      &ElementwiseCounts::sigmoids,
      &ElementwiseCounts::layer_norm_rows,
      &ElementwiseCounts::layer_norm_elements,
      &ElementwiseCounts::token_mix,
      &ElementwiseCounts::wkv,
      &ElementwiseCounts::products,
      &ElementwiseCounts::embedding_values,
      &ElementwiseCounts::comparisons,
      &ElementwiseCounts::softmax_exponentials,
      &ElementwiseCounts::softmax_divisions,
      &ElementwiseCounts::neuron_divisions,
      &ElementwiseCounts::neuron_exponentials,
      &ElementwiseCounts::recorded,
  };
  static_assert(sizeof(ElementwiseCounts) == sizeof(int64_t) * std::size(kAll));
  for (const auto member : kAll) this->*member += other.*member;
  return *this;
}

RunStatistics uniform_run(int64_t samples, int64_t steps) {
  RunStatistics run;
  run.samples = samples;
  run.evaluations = samples * steps;
  run.step_pairs = samples * (steps * (steps + 1) / 2);
  return run;
}

std::string attention_name(const std::string& node_name) {
  return node_name.substr(0, node_name.rfind('.'));
}

SpikeOperand spikes_of(const RunStatistics& run, const Graph& graph, NodeId id) {
  const Node& node = graph.node(source_of(graph, id));
  if (is_population(node)) {
    const PopulationStatistics& spikes = statistics_of(run, node.name);
    return {spikes.events, spikes.events_per_row, spikes.events_per_step};
  }
  SpikeOperand sum;  // joins the spikes of others
  for (const NodeId input : node.inputs) sum += spikes_of(run, graph, input);
  if (rows_of(node.shape) == 1) sum.per_row = {sum.events};  // whatever rows they came from
  return sum;
}

const std::string& NodeRun::name() const {
  return node_.name;
}

const Shape& NodeRun::shape() const {
  return node_.shape;
}

const Shape& NodeRun::in(size_t input) const {
  return graph_.node(node_.inputs.at(input)).shape;
}

bool NodeRun::is_static() const {
  return node_.is_static;
}

int64_t NodeRun::steps() const {
  if (run_.samples == 0) return 0;
  if (run_.evaluations % run_.samples != 0)
    throw Error(ErrorCode::kInternal, "samples of different lengths cannot be counted together");
  return run_.evaluations / run_.samples;
}

int64_t NodeRun::outputs() const {
  return element_count(node_.shape) * run_.evaluations;
}

int64_t NodeRun::inputs() const {
  return element_count(in()) * run_.evaluations;
}

bool NodeRun::reads_spikes(size_t input) const {
  return spiking_ && is_events(graph_.node(node_.inputs.at(input)).kind);
}

SpikeOperand NodeRun::spikes(size_t input) const {
  return spikes_of(run_, graph_, node_.inputs.at(input));
}

bool NodeRun::has_mask(size_t input) const {
  return mask_of(graph_, source_of(graph_, node_.inputs.at(input))).has_value();
}

std::optional<int64_t> NodeRun::nonzero(size_t input) const {
  if (!spiking_) return std::nullopt;
  const auto mask = mask_of(graph_, source_of(graph_, node_.inputs.at(input)));
  if (!mask) return std::nullopt;
  return statistics_of(run_, graph_.node(*mask).name).events;
}

const AttentionStatistics* NodeRun::attention() const {
  if (!spiking_) return nullptr;
  const std::string name = attention_name(node_.name);
  const auto found = run_.attention.find(name);
  if (found == run_.attention.end())
    throw Error(ErrorCode::kInternal, "no statistics for attention " + name);
  return &found->second;
}

int64_t NodeRun::fired() const {
  return statistics_of(run_, node_.name).events;
}

NodeWork NodeRun::work() const {
  return std::visit([&](const Operator auto& op) { return op.work(*this); }, node_.op);
}

LayerCount NodeRun::layer(int64_t weights, int64_t macs) const {
  LayerCount count;
  count.name = node_.name;
  count.op = describe(node_.op);
  count.is_static = node_.is_static;
  count.weights = weights;
  count.dense_macs = macs * run_.evaluations;
  count.dense_macs_once = node_.is_static ? macs * run_.samples : count.dense_macs;
  count.input_elements = inputs();
  count.spike_operand = reads_spikes();
  count.level_operand =
      count.spike_operand && graph_.node(node_.inputs.at(0)).kind == EdgeKind::kLevels;
  count.real_macs = count.spike_operand ? 0 : count.dense_macs;
  return count;
}

int64_t reached_steps(StepWindow window, const std::vector<int64_t>& per_step, int64_t steps) {
  int64_t sum = 0;
  for (int64_t s = 0; s < static_cast<int64_t>(per_step.size()); ++s) {
    const int64_t first = std::max<int64_t>(s - window.right, 0),
                  last = std::min(s + window.left, steps - 1);
    sum += per_step[static_cast<size_t>(s)] * (last - first + 1);
  }
  return sum;
}

}  // namespace spikeloom
