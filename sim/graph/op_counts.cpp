#include "sim/graph/op_counts.hpp"

#include <algorithm>
#include <cmath>

#include "core/error.hpp"
#include "sim/graph/step_window.hpp"

namespace spikeloom {
namespace {

// Output positions along one axis that read input position i: #{o : 0 <= i - o*stride + padding <
// kernel}.
int64_t reach(int64_t i, int64_t extent_out, const Conv2d& conv) {
  const int64_t last = std::min((i + conv.padding) / conv.stride, extent_out - 1);
  const int64_t below = i + conv.padding - conv.kernel;  // o must exceed below / stride
  const int64_t first = below < 0 ? 0 : below / conv.stride + 1;
  return std::max<int64_t>(0, last - first + 1);
}

int64_t deliveries(const Conv2d& conv, const Shape& in, const Shape& out,
                   const std::vector<int64_t>& events_per_row) {
  int64_t sum = 0;
  for (int64_t y = 0; y < in[0]; ++y) {
    const int64_t reach_y = reach(y, out[0], conv);
    for (int64_t x = 0; x < in[1]; ++x) {
      sum += events_per_row[static_cast<size_t>(y * in[1] + x)] * reach_y * reach(x, out[1], conv);
    }
  }
  return sum * (conv.out_channels / conv.groups);
}

const PopulationStatistics& statistics_of(const RunStatistics& run, const Graph& graph, NodeId id) {
  const std::string& name = graph.node(source_of(graph, id)).name;
  const auto found = run.populations.find(name);
  if (found == run.populations.end()) {
    throw Error(ErrorCode::kInternal, "no spike statistics for population " + name);
  }
  return found->second;
}

// The spikes a value shows: of a population, or of several behind a Concat.
struct Operand {
  int64_t events = 0;
  std::vector<int64_t> per_row, per_step;
};

void add_up(std::vector<int64_t>& sum, const std::vector<int64_t>& more) {
  sum.resize(std::max(sum.size(), more.size()));
  for (size_t i = 0; i < more.size(); ++i) sum[i] += more[i];
}

Operand operand_of(const RunStatistics& run, const Graph& graph, NodeId id) {
  const Node& node = graph.node(source_of(graph, id));
  Operand sum;
  if (std::holds_alternative<Concat>(node.op)) {
    for (const NodeId input : node.inputs) {
      const Operand part = operand_of(run, graph, input);
      sum.events += part.events;
      add_up(sum.per_row, part.per_row);
      add_up(sum.per_step, part.per_step);
    }
    return sum;
  }
  const PopulationStatistics& spikes = statistics_of(run, graph, id);
  return {spikes.events, spikes.events_per_row, spikes.events_per_step};
}

// Steps of a sample; all samples have equally many.
int64_t steps_of(int64_t samples, int64_t evaluations) {
  if (samples == 0) return 0;
  if (evaluations % samples != 0)
    throw Error(ErrorCode::kInternal, "samples of different lengths cannot be counted together");
  return evaluations / samples;
}

// Pairs of a spike and an output step whose window holds it.
int64_t reached_steps(StepWindow window, const std::vector<int64_t>& per_step, int64_t steps) {
  int64_t sum = 0;
  for (int64_t s = 0; s < static_cast<int64_t>(per_step.size()); ++s) {
    const int64_t first = std::max<int64_t>(s - window.right, 0),
                  last = std::min(s + window.left, steps - 1);
    sum += per_step[static_cast<size_t>(s)] * (last - first + 1);
  }
  return sum;
}

int64_t synapses(const Op& op) {
  if (const auto* memory = std::get_if<LmuMemory>(&op)) {
    return memory->order * (memory->form == LmuForm::kRecurrent ? memory->order + 1 : memory->taps);
  }
  const auto parameters = parameters_of(op);
  return parameters.empty() ? 0 : element_count(parameters[0].shape);
}

// MACs of one evaluation of a weighted layer.
int64_t dense_macs_of(const Node& node) {
  if (const auto* conv = std::get_if<Conv2d>(&node.op)) {
    return element_count(node.shape) * (conv->in_channels / conv->groups) * conv->kernel *
           conv->kernel;
  }
  if (const auto* linear = std::get_if<Linear>(&node.op)) {
    return element_count(node.shape) * linear->in_features;
  }
  if (const auto* conv = std::get_if<Conv1d>(&node.op)) {
    return element_count(node.shape) * conv->in_channels * conv->kernel();
  }
  return 0;
}

bool is_weighted(const Op& op) {
  return std::holds_alternative<Conv2d>(op) || std::holds_alternative<Linear>(op) ||
         std::holds_alternative<Conv1d>(op) || std::holds_alternative<LmuMemory>(op);
}

// MACs of the memory over one sample, every operand real.
int64_t memory_macs(const LmuMemory& memory, int64_t steps) {
  switch (memory.form) {
    case LmuForm::kRecurrent: return steps * memory.order * (memory.order + 1);
    case LmuForm::kEvent: {
      const int64_t rising = std::min(steps, memory.taps);
      return memory.order * (rising * (rising + 1) / 2 + (steps - rising) * memory.taps);
    }
    case LmuForm::kFft: {
      const auto length = static_cast<double>(2 * steps), order = static_cast<double>(memory.order);
      const double operations = (order + 1) * 2.5 * length * std::log2(length) +
                                6 * order * static_cast<double>(steps + 1);
      return std::llround(operations / 2);
    }
  }
  return 0;
}

LayerCount count_memory(const Graph& graph, const Node& node, const RunStatistics* run,
                        LayerCount count, int64_t samples, int64_t evaluations) {
  const auto& memory = std::get<LmuMemory>(node.op);
  const int64_t steps = steps_of(samples, evaluations);
  count.dense_macs = count.dense_macs_once = count.real_macs = samples * memory_macs(memory, steps);
  if (!count.spike_operand || memory.form == LmuForm::kFft) {
    count.spike_operand = false;
    return count;
  }
  const Operand spikes = operand_of(*run, graph, node.inputs[0]);
  count.input_events = spikes.events;
  if (memory.form == LmuForm::kRecurrent) {
    count.event_adds = spikes.events * memory.order;
    count.real_macs = evaluations * memory.order * memory.order;
  } else {
    count.event_adds = memory.order * reached_steps(window_of(node.op), spikes.per_step, steps);
    count.real_macs = 0;
  }
  return count;
}

LayerCount count_layer(const Graph& graph, const Node& node, const RunStatistics* run,
                       int64_t samples, int64_t evaluations) {
  const Node& from = graph.node(node.inputs[0]);
  LayerCount count;
  count.name = node.name;
  count.op = describe(node.op);
  count.is_static = node.is_static;
  count.weights = synapses(node.op);
  count.dense_macs = dense_macs_of(node) * evaluations;
  count.dense_macs_once = node.is_static ? dense_macs_of(node) * samples : count.dense_macs;
  count.input_elements = element_count(from.shape) * evaluations;
  count.spike_operand = run != nullptr && from.kind == EdgeKind::kSpikes;
  if (std::holds_alternative<LmuMemory>(node.op))
    return count_memory(graph, node, run, std::move(count), samples, evaluations);
  if (!count.spike_operand) {
    count.real_macs = count.dense_macs;
    const auto mask =
        run == nullptr ? std::nullopt : mask_of(graph, source_of(graph, node.inputs[0]));
    const auto* linear = std::get_if<Linear>(&node.op);
    if (mask && linear != nullptr) {
      count.nonzero_inputs = statistics_of(*run, graph, *mask).events;
      count.real_macs = count.nonzero_inputs * linear->out_features;
    }
    return count;
  }
  const Operand spikes = operand_of(*run, graph, node.inputs[0]);
  count.input_events = spikes.events;
  if (const auto* conv = std::get_if<Conv2d>(&node.op)) {
    count.event_adds = deliveries(*conv, from.shape, node.shape, spikes.per_row);
  } else if (const auto* along = std::get_if<Conv1d>(&node.op)) {
    count.event_adds = along->out_channels * reached_steps(window_of(node.op), spikes.per_step,
                                                           steps_of(samples, evaluations));
  } else {
    count.event_adds = spikes.events * std::get<Linear>(node.op).out_features;
  }
  return count;
}

AttentionCount count_attention(const Node& q_apply, const Node& q, const RunStatistics* run,
                               int64_t evaluations) {
  const int64_t heads = std::get<QApply>(q_apply.op).heads;
  AttentionCount count;
  count.name = attention_name(q_apply.name);
  count.tokens = rows_of(q.shape);
  count.heads = heads;
  count.head_dim = channels_of(q.shape) / heads;
  count.dense_macs_kv = count.dense_macs_qkv =
      evaluations * heads * count.tokens * count.head_dim * count.head_dim;
  if (run == nullptr) return count;
  const auto found = run->attention.find(count.name);
  if (found == run->attention.end()) {
    throw Error(ErrorCode::kInternal, "no statistics for attention " + count.name);
  }
  const AttentionStatistics& spikes = found->second;
  count.spikes_q = spikes.q_events;
  count.spikes_k = spikes.k_events;
  count.spikes_v = spikes.v_events;
  count.kv_coincidences = spikes.kv_coincidences;
  count.kv_k_gated_adds = spikes.k_events * count.head_dim;
  count.qkv_q_gated_adds = spikes.q_events * count.head_dim;
  count.qkv_nonzero_adds = spikes.qkv_nonzero_adds;
  return count;
}

AttentionCount count_softmax(const Node& node, int64_t evaluations, int64_t step_pairs) {
  const auto& attention = std::get<SoftmaxAttention>(node.op);
  AttentionCount count;
  count.name = attention_name(node.name);
  count.spiking = false;
  count.tokens = rows_of(node.shape);
  count.heads = attention.heads;
  count.head_dim = channels_of(node.shape) / count.heads;
  count.dense_macs_kv = count.dense_macs_qkv =
      (attention.context > 0 ? step_pairs : evaluations * count.tokens * count.tokens) *
      channels_of(node.shape);
  return count;
}

CountTotals sum_up(const OpCounts& counts) {
  CountTotals sum;
  for (const LayerCount& layer : counts.layers) {
    sum.dense_macs += layer.dense_macs;
    sum.event_adds += layer.event_adds;
    sum.rate_adds += layer.rate_adds();
    sum.weights += layer.weights;
    if (layer.is_static && !layer.spike_operand) {
      sum.stem_macs += layer.dense_macs;
      sum.stem_macs_once += layer.dense_macs_once;
    } else {
      sum.real_macs_without_stem += layer.real_macs;
    }
    sum.weight_reads += layer.event_adds + layer.real_macs;
  }
  for (const AttentionCount& attention : counts.attention) {
    sum.dense_macs_attention += attention.dense_macs_kv + attention.dense_macs_qkv;
    sum.kv_coincidences += attention.kv_coincidences;
    sum.kv_k_gated_adds += attention.kv_k_gated_adds;
    sum.qkv_q_gated_adds += attention.qkv_q_gated_adds;
    sum.qkv_nonzero_adds += attention.qkv_nonzero_adds;
  }
  for (const NeuronCount& neurons : counts.neurons) {
    sum.neuron_updates += neurons.updates;
    sum.spikes += neurons.spikes;
    sum.state_accesses += 2 * neurons.updates;
  }
  return sum;
}

OpCounts count(const Graph& graph, const RunStatistics& statistics, bool spiking) {
  const RunStatistics* run = spiking ? &statistics : nullptr;
  const int64_t samples = statistics.samples, evaluations = statistics.evaluations;
  OpCounts counts;
  counts.form = graph.form;
  counts.samples = samples;
  counts.evaluations = evaluations;
  for (const Node& node : graph.nodes()) {
    if (is_weighted(node.op)) {
      counts.layers.push_back(count_layer(graph, node, run, samples, evaluations));
    } else if (std::holds_alternative<QApply>(node.op)) {
      counts.attention.push_back(
          count_attention(node, graph.node(node.inputs[0]), run, evaluations));
    } else if (std::holds_alternative<SoftmaxAttention>(node.op)) {
      counts.attention.push_back(count_softmax(node, evaluations, statistics.step_pairs));
    } else if (std::holds_alternative<Neuron>(node.op) && run != nullptr) {
      const auto& spikes = statistics_of(*run, graph, *graph.find(node.name));
      counts.neurons.push_back(
          {node.name, spikes.neurons, spikes.neurons * spikes.evaluations, spikes.events});
    }
  }
  counts.totals = sum_up(counts);
  return counts;
}

}  // namespace

std::string attention_name(const std::string& node_name) {
  return node_name.substr(0, node_name.rfind('.'));
}

RunStatistics uniform_run(int64_t samples, int64_t steps) {
  RunStatistics run;
  run.samples = samples;
  run.evaluations = samples * steps;
  run.step_pairs = samples * (steps * (steps + 1) / 2);
  return run;
}

OpCounts count_operations(const Graph& graph, const RunStatistics& statistics) {
  return count(graph, statistics, true);
}

OpCounts count_dense(const Graph& graph, int64_t samples, int64_t steps) {
  return count(graph, uniform_run(samples, steps), false);
}

OpCounts count_dense(const Graph& graph, const RunStatistics& run) {
  return count(graph, run, false);
}

}  // namespace spikeloom
