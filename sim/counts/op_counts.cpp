#include "sim/counts/op_counts.hpp"

#include <algorithm>

namespace spikeloom {
namespace {

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
    sum.firing_updates += neurons.fires ? neurons.updates : 0;
    sum.spikes += neurons.spikes;
    sum.state_accesses += 2 * neurons.updates;
  }
  return sum;
}

bool has_levels(const Graph& graph) {
  return std::any_of(graph.nodes().begin(), graph.nodes().end(),
                     [](const Node& node) { return node.kind == EdgeKind::kLevels; });
}

OpCounts count(const Graph& graph, const RunStatistics& run, bool spiking) {
  const std::optional<RunStatistics> packets =
      spiking && has_levels(graph) ? std::optional(packets_of(run)) : std::nullopt;
  OpCounts counts;
  counts.form = graph.form;
  counts.samples = run.samples;
  counts.evaluations = run.evaluations;
  for (const Node& node : graph.nodes()) {
    const NodeRun seen(graph, node, run, spiking);
    NodeWork work = seen.work();
    if (work.layer) {
      work.layer->deliveries = packets
                                   ? NodeRun(graph, node, *packets, true).work().layer->event_adds
                                   : work.layer->event_adds;
    }
    if (work.layer) counts.layers.push_back(std::move(*work.layer));
    if (work.attention) counts.attention.push_back(std::move(*work.attention));
    if (work.updates_neurons && spiking) {
      counts.neurons.push_back({node.name, element_count(node.shape), seen.outputs(),
                                is_events(node.kind) ? seen.fired() : 0, is_events(node.kind)});
    }
  }
  counts.totals = sum_up(counts);
  return counts;
}

}  // namespace

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
