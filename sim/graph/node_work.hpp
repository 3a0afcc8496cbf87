#pragma once
// What operators did over a run: the counts, and what the `work` rule of an operator is told.
//
// All figures are totals over the steps (and samples) the statistics cover. The kind of the input
// edge decides the operand; values are never looked at.

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "sim/graph/rules.hpp"

namespace spikeloom {

class Graph;
struct Node;

// Events: how many, by pixel or token, and by step within the sample.
struct EventCounts {
  int64_t events = 0;
  std::vector<int64_t> per_row, per_step;

  EventCounts& operator+=(const EventCounts& other);
};

// Spikes of one population over a run. A level of k is k events and one packet.
struct PopulationStatistics {
  int64_t neurons = 0;      // per step
  int64_t evaluations = 0;  // steps x samples seen
  int64_t events = 0;
  std::vector<int64_t> events_per_row;      // by pixel or token
  std::vector<int64_t> events_per_step;     // by step within the sample
  std::optional<EventCounts> packets = {};  // of levels; of spikes they are the events
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

// The same run with every level that is not 0 counted once, as the one packet it travels in.
RunStatistics packets_of(const RunStatistics& run);

// A run of equally long samples of which no spikes are known.
RunStatistics uniform_run(int64_t samples, int64_t steps);

// "block3.0.attn" for its products "block3.0.attn.kv" and "block3.0.attn.qkv".
std::string attention_name(const std::string& node_name);

// Of a node that multiplies its input by numbers it holds.
//   dense_macs     output elements x (input channels / groups) x kernel area, padding taps included
//   event_adds     additions "input spike -> existing output element"; a level of k counts as k
//   deliveries     the same with a level counted once: what a packet that carries it delivers
//   rate_adds      input_events / input_elements x (dense_macs - real_macs): the literature's
//                  estimate
//   real_macs      dense_macs of layers whose operand is real; behind relu^2 with a recorded mask,
//                  its non-zero values x output channels (a product with an exact zero need not be
//                  made)
struct LayerCount {
  std::string name;
  std::string op;              // describe(op)
  bool spike_operand = false;  // AC, otherwise MAC
  bool level_operand = false;  // of spike_operand: levels
  // The value is the same at every step: `once` = 1 / steps of it is needed.
  bool is_static = false;
  int64_t weights = 0;  // synaptic weights, bias excluded
  int64_t dense_macs = 0;
  int64_t dense_macs_once = 0;  // charged once per sample where is_static, else = dense_macs
  int64_t input_elements = 0;
  int64_t input_events = 0;     // spikes; for a real operand 0
  int64_t nonzero_inputs = -1;  // of a real operand with a mask; -1: not recorded
  int64_t event_adds = 0;
  bool legendre_memory = false;
  int64_t deliveries = 0;
  int64_t real_macs = 0;
  double rate_adds() const {
    return spike_operand && input_elements > 0
               ? static_cast<double>(input_events) / static_cast<double>(input_elements) *
                     static_cast<double>(dense_macs - real_macs)
               : 0.0;
  }
};

// "spikes", "levels" or "real".
constexpr const char* operand_name(const LayerCount& layer) {
  return layer.level_operand ? "levels" : layer.spike_operand ? "spikes" : "real";
}

// Of the second product of an attention, standing for both.
//   kv_k_gated_adds   ones in K x d (a row of V per K spike)
//   kv_coincidences   sum over tokens of ones(K row) x ones(V row) per head
//   qkv_q_gated_adds  ones in Q x d; qkv_nonzero_adds the same where K^T V is not 0
struct AttentionCount {
  std::string name;
  bool spiking = true;  // false: softmax attention, dense_macs of Q K^T and of the product with V
  int64_t tokens = 0, heads = 0, head_dim = 0;
  int64_t dense_macs_kv = 0, dense_macs_qkv = 0;
  int64_t spikes_q = 0, spikes_k = 0, spikes_v = 0;
  int64_t kv_coincidences = 0, kv_k_gated_adds = 0, qkv_q_gated_adds = 0, qkv_nonzero_adds = 0;
};

// Elementwise work, which no energy scheme prices, so that a report can list it. Elements over all
// steps and samples of the run (nodes that are equal at every step are counted at every step, like
// the stem in `paper` and `as_built`).
struct ElementwiseCounts {
  int64_t batch_norm = 0;  // one multiplication and one addition each
  // Of sequence networks: behind a residual stream, or a layer that something else reads as well.
  int64_t batch_norm_unfoldable = 0;
  int64_t residual_additions = 0;
  int64_t bias_additions = 0;
  int64_t scalings = 0;
  int64_t spatial_mean = 0;  // elements added up
  int64_t step_mean = 0;     // elements added up
  int64_t pooled = 0;        // elements that windows of pools read
  int64_t activations = 0;   // evaluations of ReLU and relu^2
  int64_t sigmoids = 0;
  int64_t layer_norm_rows = 0;      // normalisations of one row
  int64_t layer_norm_elements = 0;  // elements in them
  int64_t token_mix = 0;            // two multiplications and one addition each
  int64_t wkv = 0;                  // channel updates: 4 exponentials and one division each
  int64_t products = 0;
  int64_t embedding_values = 0;  // read from the table
  int64_t comparisons = 0;       // of binary embeddings; masks cost nothing
  int64_t softmax_exponentials = 0;
  int64_t softmax_divisions = 0;
  int64_t neuron_divisions = 0, neuron_exponentials = 0;  // inside steps of neurons
  int64_t recorded = 0;  // elements of values whose making has no operator here

  ElementwiseCounts& operator+=(const ElementwiseCounts& other);
};

// `work`: what a node did. An operator that does nothing but show, move or join values says
// NoWork.
struct NodeWork {
  std::optional<LayerCount> layer = {};
  std::optional<AttentionCount> attention = {};
  bool updates_neurons = false;  // each neuron at every step: folded biases reach them all
  ElementwiseCounts elementwise = {};
};

// The spikes a value shows: of a population, or of several behind a Concat, a Flatten.
using SpikeOperand = EventCounts;
// Throws Error(kInternal) when a population is missing from the statistics.
SpikeOperand spikes_of(const RunStatistics& run, const Graph& graph, NodeId id);

// A node within a run. `spiking` false: one dense pass in which no spikes are known and every
// operand is real.
class NodeRun {
 public:
  NodeRun(const Graph& graph, const Node& node, const RunStatistics& run, bool spiking)
      : graph_(graph), node_(node), run_(run), spiking_(spiking) {}

  const std::string& name() const;
  const Shape& shape() const;
  const Shape& in(size_t input = 0) const;
  bool is_static() const;
  int64_t samples() const { return run_.samples; }
  int64_t evaluations() const { return run_.evaluations; }
  int64_t step_pairs() const { return run_.step_pairs; }
  // Steps of a sample. Throws Error(kInternal) when samples differ in length.
  int64_t steps() const;
  // Elements of the node's value, and of what it reads, over the run.
  int64_t outputs() const;
  int64_t inputs() const;

  // Whether an input is known as spikes or levels: additions, otherwise products.
  bool reads_spikes(size_t input = 0) const;
  SpikeOperand spikes(size_t input = 0) const;
  // Whether the graph marks which values of the input relu^2 left above zero; how many there were,
  // where that is known.
  bool has_mask(size_t input = 0) const;
  std::optional<int64_t> nonzero(size_t input = 0) const;
  // Of the attention this node ends; null in a dense pass.
  const AttentionStatistics* attention() const;

  // Spikes of the node's own population.
  int64_t fired() const;
  // The `work` rule of the node's operator.
  NodeWork work() const;

  // A layer of so many weights and MACs per evaluation, every operand real so far: what follows
  // from that.
  LayerCount layer(int64_t weights, int64_t macs) const;

 private:
  const Graph& graph_;
  const Node& node_;
  const RunStatistics& run_;
  bool spiking_;
};

// Pairs of a spike and an output step whose window holds it, of samples of `steps` steps.
int64_t reached_steps(StepWindow window, const std::vector<int64_t>& per_step, int64_t steps);

struct NoWork {
  NodeWork operator()(const NodeRun&) const { return {}; }
};

}  // namespace spikeloom
