#pragma once
// Operation counts of a graph: what each layer did, from real spikes.
//
// All figures are totals over the steps (and samples) the statistics cover. Rules:
//   dense_macs     output elements x (input channels / groups) x kernel area, padding taps included
//   event_adds     deliveries "input spike -> existing output element": per spike, output channels
//   / groups x the
//                  number of output positions its pixel reaches (separable in y and x)
//   rate_adds      input_events / input_elements x (dense_macs - real_macs): the literature's
//   estimate real_macs      dense_macs of layers whose operand is real; behind relu^2 with a
//   recorded mask, its non-zero
//                  values x output channels (a product with an exact zero need not be made); the
//                  recurrent memory has both kinds
//   along steps    a spike at step s of T reaches the output steps whose window holds it. Legendre
//   memory: the event form adds a column of `order` values per spike and step reached (dense:
//   order x sum over t of min(taps, t+1)); the recurrent form adds B per spike and multiplies
//   order^2 real values every step; the fft form is counted as half the real operations of its
//   order + 1 real transforms of length 2T (2.5 n log2 n each) and products (6 a frequency)
//   attention      kv_k_gated_adds = ones in K x d (a row of V per K spike), kv_coincidences = sum
//   over tokens of
//                  ones(K row) x ones(V row) per head, qkv_q_gated_adds = ones in Q x d,
//                  qkv_nonzero_adds = the same where K^T V is not 0
//   causal         softmax attention along the steps: a product of `channels` MACs for every pair
//                  of a step and one it sees (the context reaches back to the first step)
// The kind of the input edge decides the operand; values are never looked at.

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "sim/graph/graph.hpp"

namespace spikeloom {

// Spikes of one population over a run.
struct PopulationStatistics {
  int64_t neurons = 0;      // per step
  int64_t evaluations = 0;  // steps x samples seen
  int64_t events = 0;
  std::vector<int64_t> events_per_row;   // by pixel or token
  std::vector<int64_t> events_per_step;  // by step within the sample
};

// One attention product over a run.
struct AttentionStatistics {
  int64_t q_events = 0, k_events = 0, v_events = 0;
  int64_t kv_coincidences = 0;
  int64_t qkv_nonzero_adds = 0;
};

struct RunStatistics {
  int64_t samples = 0;
  int64_t evaluations = 0;  // steps summed over samples
  int64_t step_pairs = 0;   // pairs of a step and one of its sample not after it, itself included
  std::map<std::string, PopulationStatistics> populations;
  std::map<std::string, AttentionStatistics> attention;  // by attention_name()
};

// A run of equally long samples of which no spikes are known.
RunStatistics uniform_run(int64_t samples, int64_t steps);

struct LayerCount {
  std::string name;
  std::string op;              // describe(op)
  bool spike_operand = false;  // AC, otherwise MAC
  bool is_static =
      false;            // the value is the same at every step: `once` = 1 / steps of it is needed
  int64_t weights = 0;  // synaptic weights, bias excluded
  int64_t dense_macs = 0;
  int64_t dense_macs_once = 0;  // charged once per sample where is_static, else = dense_macs
  int64_t input_elements = 0;
  int64_t input_events = 0;     // spikes; for a real operand 0
  int64_t nonzero_inputs = -1;  // of a real operand with a mask; -1: not recorded
  int64_t event_adds = 0;
  int64_t real_macs = 0;
  double rate_adds() const {
    return spike_operand && input_elements > 0
               ? static_cast<double>(input_events) / static_cast<double>(input_elements) *
                     static_cast<double>(dense_macs - real_macs)
               : 0.0;
  }
};

struct AttentionCount {
  std::string name;
  bool spiking = true;  // false: softmax attention, dense_macs of Q K^T and of the product with V
  int64_t tokens = 0, heads = 0, head_dim = 0;
  int64_t dense_macs_kv = 0, dense_macs_qkv = 0;
  int64_t spikes_q = 0, spikes_k = 0, spikes_v = 0;
  int64_t kv_coincidences = 0, kv_k_gated_adds = 0, qkv_q_gated_adds = 0, qkv_nonzero_adds = 0;
};

struct NeuronCount {
  std::string name;
  int64_t neurons = 0;
  int64_t updates = 0;  // neurons x evaluations: folded biases reach every neuron every step
  int64_t spikes = 0;
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
  int64_t weights = 0;  // stored synaptic weights
  int64_t weight_reads =
      0;  // one per synaptic operation and real MAC: event-driven, nothing reused
  int64_t state_accesses = 0;  // one read and one write per neuron update
};

struct OpCounts {
  std::string form;
  int64_t samples = 0, evaluations = 0;
  std::vector<LayerCount> layers;
  std::vector<AttentionCount> attention;
  std::vector<NeuronCount> neurons;
  CountTotals totals;
};

// "block3.0.attn" for its products "block3.0.attn.kv" and "block3.0.attn.qkv".
std::string attention_name(const std::string& node_name);

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
