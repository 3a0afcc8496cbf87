#pragma once
// A lowering under way: what is on the chip so far, and what cores cannot do. Internal to lower.hpp;
// lowering.cpp puts values on the chip, lower_host.cpp says what cannot be there and why.

#include <map>
#include <set>
#include <string>
#include <vector>

#include "hw_model/chip/lower.hpp"
#include "hw_model/chip/lower_graph.hpp"
#include "hw_model/chip/op_rules.hpp"

namespace spikeloom {

class Lowering {
 public:
  // Both must outlive it.
  Lowering(const Graph& graph, const ChipSpec& chip, const LowerOptions& options);
  LoweredNetwork run();

 private:
  const Graph& graph() const { return out_.graph; }
  ChipRule rule(NodeId id) const { return chip_rule(graph().node(id)); }
  ChipRole role(NodeId id) const { return rule(id).role; }
  // The value behind what costs nothing and behind what the chip itself brings later.
  NodeId stripped(NodeId id) const;
  // The population whose spikes or levels a value shows, also those of earlier steps.
  NodeId sender_of(NodeId id) const;
  // Neurons that never fire, whose value is their membrane.
  bool is_integrator(NodeId id) const;
  // Steps between a value and what stands behind its delays; a feedback is none: what is sent in a
  // step is there in the next.
  int64_t delay_of(NodeId id) const;
  // Why the chip cannot bring a value that much later; "" when it can.
  std::string delay_obstacle(NodeId id) const;
  const std::vector<NodeId>& readers(NodeId id) const {
    return consumers_[static_cast<size_t>(id)];
  }
  ChipPopulation& population(int index) {
    return out_.network.populations[static_cast<size_t>(index)];
  }

  int new_population(NodeId id, std::string name, SpikeSource source);
  // Beside what the neurons themselves remember; once for all that sends to them.
  void keep_a_value(int p);
  void add_neurons(NodeId id);
  // The population of a layer of neurons, made when it is first needed: feedback reads later ones.
  int neurons_at(NodeId id);
  // What neurons remember, and their inputs.
  void add_integrator(NodeId id, int target);
  // Levels travel as payload where targets can multiply, else as so many spikes.
  void carry_levels(const Node& node, ChipPopulation& sender) const;
  // A maximum of spikes fires when any of its window does; nothing is left for the next step.
  void add_pool(NodeId id, int target);
  // An output that spikes is there already; a running mean over the steps is a sum in place.
  void add_readout(NodeId id);
  // Neurons that hold a real value and send it.
  int value_population(NodeId id);
  // Population and all that share a stream with it become one group; the first is its root.
  void tie(int a, int b);
  // Makes `target` receive a real value (or counts).
  void collect(NodeId id, int target);
  // A normalisation of a stream that others read as well cannot go into the weights.
  void note_affine(NodeId id);
  void add_projection(NodeId layer, int source, int target, const std::string& part,
                      Synapses synapses);
  // What an operand consists of.
  void add_sources(NodeId id, std::vector<NodeId>& sources) const;
  void project(NodeId id, int target);
  void project_attention(NodeId id, int target);
  void finish();

  // Why cores cannot compute a value that is no sum; "" when they can.
  std::string obstacle(NodeId id);
  // Without a payload a packet stands for one unit and has no sign.
  std::string signs_obstacle(NodeId id) const;
  // Can a projection read this value? "" or why not.
  std::string operand_obstacle(NodeId id, bool reads_all);
  // Can a projection move over the map that a node reads? "" or why not.
  std::string map_obstacle(NodeId id) const;
  std::string attention_obstacle(NodeId id);
  // Can cores collect all of a value? True for a stream that is on the chip already.
  bool is_pure(NodeId id);
  bool is_moved(NodeId id) const { return role(stripped(id)) == ChipRole::kMoved; }
  // In the order in which it was made.
  NodeId unmoved(NodeId id) const;
  // Why a value goes to the host when what it feeds, left there for `reason`, does.
  std::string host_reason(NodeId id, const std::string& reason);
  // Leaves a value to the host, and what it follows from up to what the chip holds.
  void host(NodeId id, const std::string& reason);

  const LowerOptions& options_;
  LoweredNetwork out_;
  bool multiplies_ = false, has_outer_products_ = false, integrates_ = false;
  int64_t delay_steps_ = 0;  // a chip can hold back a spike
  std::vector<std::vector<NodeId>> consumers_;
  std::vector<Extent> extents_;
  std::map<NodeId, int> populations_, values_;  // by node of neurons, of real values
  std::map<NodeId, int> homes_;  // by stripped value: the population that collects it
  std::map<NodeId, bool> pure_;
  std::set<int> keeps_;                   // populations with a value kept beside their own state
  std::map<NodeId, std::string> hosted_;  // reasons
  std::set<std::string> exchanged_, unpriced_;
};

}  // namespace spikeloom
