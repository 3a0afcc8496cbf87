#pragma once
// The operator graph of a network: nodes in execution order, typed edges, named outputs. Immutable
// once built.

#include <functional>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <unordered_map>
#include <utility>
#include <vector>

#include "core/weight_names.hpp"
#include "core/weights.hpp"
#include "sim/graph/op.hpp"

namespace spikeloom {

// The authors' modules, or chains and normalisation merged into weights (sim/graph/fuse.hpp).
enum class GraphForm { kAsWritten, kFused };
inline constexpr const char* kGraphFormNames[] = {"as_written", "fused"};
constexpr const char* name_of(GraphForm form) noexcept {
  return kGraphFormNames[static_cast<size_t>(form)];
}

struct Node {
  std::string name;  // dotted module path, unique
  Op op;
  std::vector<NodeId> inputs;
  // Inferred by Graph::add:
  EdgeKind kind = EdgeKind::kReal;
  Shape shape;             // of one sample at one step
  int64_t vocabulary = 0;  // above 0: ids of tokens
  LevelRange levels = {};  // what levels may be; of spikes 0 and 1
  NodeId feedback = -1;    // of a Feedback: the node whose value of the step before it shows
  bool is_open() const { return feedback < 0 && std::holds_alternative<Feedback>(op); }
  bool is_static = false;  // equal at every step of a sample: computed once
};

class Graph {
 public:
  // Appends a node, infers kind and shape. Throws Error(kUsage) naming node and reason when inputs
  // do not fit, Error(kCapacity) when an attention sum could leave the exact integers of fp32.
  NodeId add(std::string name, Op op, std::vector<NodeId> inputs = {});
  // Closes a Feedback over the node whose value it shows one step later. Throws Error(kUsage) when
  // kind or shape differ, the node is equal at every step, or it shows this feedback itself.
  void close(NodeId feedback, NodeId source);
  // Names a node as an output of the network ("logits", feature maps). Throws when the name is
  // taken.
  void output(std::string name, NodeId node);

  const std::vector<Node>& nodes() const noexcept { return nodes_; }
  const Node& node(NodeId id) const { return nodes_.at(static_cast<size_t>(id)); }
  const std::vector<std::pair<std::string, NodeId>>& outputs() const noexcept { return outputs_; }
  std::optional<NodeId> find(std::string_view node_name) const;
  std::optional<NodeId> find_output(std::string_view name) const;
  NodeId size() const noexcept { return static_cast<NodeId>(nodes_.size()); }
  GraphForm form = GraphForm::kAsWritten;

 private:
  // Lets a view look up a name.
  struct Hash : std::hash<std::string_view> {
    using is_transparent = void;
  };
  std::vector<Node> nodes_;
  std::unordered_map<std::string, NodeId, Hash, std::equal_to<>> ids_;  // by name
  std::vector<std::pair<std::string, NodeId>> outputs_;
};

// The state an operator carries from step to step.
std::vector<StateSlot> state_of(const Node& node);
// Consumers of every node, by id; a Feedback consumes the node it shows.
std::vector<std::vector<NodeId>> consumers_of(const Graph& graph);
// Whether a node shows the value of another under another shape, so that nothing runs for it.
bool is_view(const Op& op);
// The node whose value a View chain shows.
NodeId source_of(const Graph& graph, NodeId id);

// The Threshold that marks the values `value` (relu^2) left above zero, if the graph has one.
std::optional<NodeId> mask_of(const Graph& graph, NodeId value);

// Sum of the sizes of all distinct trainable arrays (running statistics excluded).
int64_t parameter_count(const Graph& graph);

// The names of all arrays the graph reads.
NameSet array_names(const Graph& graph);

// An extent of an array that a key of the model decides, for errors: "model.num_classes".
struct ExtentHint {
  std::string array;
  size_t axis = 0;
  int64_t factor = 1;  // the key's value is the extent times this
  std::string key;
};
// Arrays below a prefix that a flag of the model adds: "head_kd.", "second head", "model.kd".
struct FlagHint {
  std::string prefix, what, key;
};
struct WeightHints {
  std::vector<ExtentHint> extents = {};
  std::vector<FlagHint> flags = {};
};

// Checks that `stored` holds every array the graph needs with its shape, that all values are
// finite, and nothing else. Left out are what training tools keep beside the arrays (counts of
// batches, of thop, membranes; is_bookkeeping), told in `notes`. Returns exactly the needed arrays
// as fp32; those stored as such are shared, and whoever gives `stored` away never has the others
// twice. Throws one Error(kData) that counts the missing, surplus, misshapen and non-finite arrays,
// lists the first of them, and says what the cause may be.
Weights bind_weights(const Graph& graph, StoredWeights stored, std::vector<std::string>* notes,
                     const WeightHints& hints = {});
Weights bind_weights(const Graph& graph, Weights weights);

// A layer of spikes or levels: what a trace records. Neurons, an input of events, sums and maxima
// of spikes, and Threshold nodes: binary embeddings and masks of non-zero values.
struct Population {
  std::string name;
  NodeId node = 0;
  Shape shape;       // channels last
  std::string axes;  // "H,W,C" | "N,C" | "C"
  std::string
      neuron_model;  // of the neuron table, or "threshold", "max_pool", "sum_pool", "sum", "input"
  double threshold = 1;  // NaN where its neurons differ in it
  bool is_neuron = true, is_input = false;
  LevelRange levels = {};
  // Of the bits a sink sees: the planes of levels are stacked (core/levels.hpp).
  int64_t rows() const { return rows_of(shape) * levels.planes(); }
};
std::vector<Population> populations_of(const Graph& graph);
// Whether a node has spikes or levels of its own, which a trace records.
bool is_population(const Node& node);

}  // namespace spikeloom
