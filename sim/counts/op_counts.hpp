#pragma once
// Operation counts of a graph: what each layer did, from real spikes.
//
// The rules stand with the operators (sim/graph/ops, what they count in sim/graph/node_work.hpp); here
// they are added up.

#include <cstdint>
#include <string>
#include <vector>

#include "sim/graph/graph.hpp"

namespace spikeloom {

struct NeuronCount {
  std::string name;
  int64_t neurons = 0;
  int64_t updates = 0;  // neurons x evaluations: folded biases reach every neuron every step
  int64_t spikes = 0;
  bool fires = true;  // false: its output is the membrane, it has no firing rate
  double rate() const {
    return updates > 0 ? static_cast<double>(spikes) / static_cast<double>(updates) : 0.0;
  }
};

struct CountTotals {
  int64_t dense_macs = 0;  // layers only
  int64_t dense_macs_attention = 0;
  int64_t stem_macs = 0;  // static real-operand layers, charged at every step
  int64_t stem_macs_once = 0;
  int64_t real_macs_without_stem = 0;
  int64_t event_adds = 0;
  double rate_adds = 0;
  int64_t kv_coincidences = 0, kv_k_gated_adds = 0, qkv_q_gated_adds = 0, qkv_nonzero_adds = 0;
  int64_t neuron_updates = 0, spikes = 0;
  int64_t firing_updates = 0;  // of neurons that can fire: what a mean rate goes by
  int64_t weights = 0;         // stored synaptic weights
  int64_t weight_reads =
      0;  // one per synaptic operation and real MAC: event-driven, nothing reused
  int64_t state_accesses = 0;  // one read and one write per neuron update
};

struct OpCounts {
  GraphForm form = GraphForm::kAsWritten;
  int64_t samples = 0, evaluations = 0;
  std::vector<LayerCount> layers;
  std::vector<AttentionCount> attention;
  std::vector<NeuronCount> neurons;
  CountTotals totals;
};

// Counts of the graph given what the populations did. Populations have the same names in every
// form, so one run serves all forms. Throws Error(kInternal) when a population is missing from the
// statistics, or samples of a network with windows over steps differ in length.
OpCounts count_operations(const Graph& graph, const RunStatistics& statistics);

// Counts of one pass over `samples` samples of a graph without neurons' spikes: every operand real,
// every layer MAC, neurons as identity (the `dense_same` and `dense_twin` baselines). K^T V order
// where the graph has it.
// `steps`: of one sample, 1 for a static image.
OpCounts count_dense(const Graph& graph, int64_t samples, int64_t steps = 1);
// The same over the steps of `run`; nothing else of it is read.
OpCounts count_dense(const Graph& graph, const RunStatistics& run);

}  // namespace spikeloom
