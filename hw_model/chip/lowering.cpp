#include "hw_model/chip/lowering.hpp"

#include <algorithm>

namespace spikeloom {
namespace {

constexpr int64_t kValueBits = 32;  // of a membrane, of a residual value

}  // namespace

Lowering::Lowering(const Graph& graph, const ChipSpec& chip, const LowerOptions& options)
    : options_(options) {
  out_.graph = fused_form(graph);
  consumers_ = consumers_of(out_.graph);
  extents_ = extents_of(out_.graph);
  multiplies_ = find_unit(chip, UnitKind::kMultiply).has_value();
  has_outer_products_ = find_unit(chip, UnitKind::kOuterProduct).has_value();
  const auto soma = find_unit(chip, UnitKind::kSoma);
  integrates_ = soma && chip.units[*soma].integrates;
  delay_steps_ = chip.limits.delay_steps.value_or(0);
}

LoweredNetwork Lowering::run() {
  for (NodeId id = 0; id < graph().size(); ++id) {
    const bool mask = role(id) == ChipRole::kMask && readers(id).empty();
    const Node& node = graph().node(id);
    if (is_population(node) && !mask && !population_of(node.op)->is_copy) add_neurons(id);
  }
  const auto logits = graph().find_output("logits");
  for (const auto& [name, id] : graph().outputs()) {
    if (!logits || id == *logits) add_readout(id);
  }
  finish();
  return std::move(out_);
}

int Lowering::new_population(NodeId id, std::string name, SpikeSource source) {
  const Node& node = graph().node(id);
  const Extent extent = extents_[static_cast<size_t>(id)];
  ChipPopulation added;
  added.name = std::move(name);
  added.height = extent.height;
  added.width = extent.width;
  added.channels = channels_of(node.shape);
  added.update = options_.update;
  added.state_bits = kValueBits;
  out_.network.populations.push_back(std::move(added));
  out_.sources.push_back(source);
  return static_cast<int>(out_.network.populations.size()) - 1;
}

void Lowering::keep_a_value(int p) {
  if (keeps_.insert(p).second) population(p).state_bits += kValueBits;
}

int Lowering::neurons_at(NodeId id) {
  const auto known = populations_.find(id);
  if (known != populations_.end()) return known->second;
  const Node& node = graph().node(id);
  const int made = new_population(id, node.name, SpikeSource::kTrace);
  carry_levels(node, population(made));
  return populations_[id] = made;
}

void Lowering::add_neurons(NodeId id) {
  const Node& node = graph().node(id);
  const int target = neurons_at(id);
  if (population_of(node.op)->is_input) {
    // Spikes come from elsewhere: nothing is computed for them.
    population(target).update = UpdateRule::kFired;
    return;
  }
  const ChipRole role = chip_rule(node).role;
  if (role == ChipRole::kSynapses) {
    add_pool(id, target);
    return;
  }
  if (role == ChipRole::kSum) {  // sends on what came in this step
    population(target).update = UpdateRule::kTouched;
    for (const NodeId input : node.inputs) collect(input, target);
    return;
  }
  add_integrator(id, target);
}

void Lowering::add_integrator(NodeId id, int target) {
  const Node& node = graph().node(id);
  const auto slots = static_cast<int64_t>(state_of(node).size());
  population(target).state_bits = kValueBits * std::max<int64_t>(1, slots);
  for (const NodeId input : node.inputs) collect(input, target);
}

void Lowering::carry_levels(const Node& node, ChipPopulation& sender) const {
  if (node.kind != EdgeKind::kLevels) return;
  sender.levels = node.levels;
  if (multiplies_) sender.payload_bits = node.levels.planes();
}

void Lowering::add_pool(NodeId id, int target) {
  population(target).update = UpdateRule::kTouched;
  const Node& node = graph().node(id);
  const ChipRule pool = chip_rule(node);
  const NodeId source = sender_of(node.inputs[0]);
  // The largest of spikes is an or; that of levels is not.
  std::string reason = node.kind == EdgeKind::kLevels ? pool.obstacle : "";
  if (reason.empty()) {
    reason = !is_population(graph().node(source))
                 ? "its operand is put together from others, and no map"
                 : signs_obstacle(source);
  }
  if (reason.empty()) reason = delay_obstacle(node.inputs[0]);
  if (reason.empty()) reason = map_obstacle(id);
  if (!reason.empty()) {
    homes_[id] = target;
    host(id, reason);
    return;
  }
  const int from = neurons_at(source);
  add_projection(id, from, target, "", pool.synapses(population(from), population(target)));
}

void Lowering::add_readout(NodeId id) {
  NodeId value = stripped(id);
  bool every_step = false;
  while (role(value) == ChipRole::kStepMean) {
    value = stripped(graph().node(value).inputs[0]);
    every_step = is_integrator(value);
  }
  if (is_population(graph().node(value)) || values_.count(value) || homes_.count(value)) return;
  if (role(value) == ChipRole::kInput) return;
  const auto tell = [&](const std::string& name) {
    unpriced_.insert("reading out: " + std::to_string(element_count(graph().node(id).shape)) +
                     " values of " + name + (every_step ? " per step" : " per inference"));
  };
  if (is_integrator(value) && integrates_) {
    const int target = new_population(value, graph().node(value).name, SpikeSource::kSilent);
    homes_[value] = target;
    add_integrator(value, target);
    tell(graph().node(value).name);
    return;
  }
  if (!is_pure(value)) {
    host(value, host_reason(value, ""));
    return;
  }
  collect(value, new_population(value, graph().node(id).name, SpikeSource::kSilent));
  tell(graph().node(id).name);
}

int Lowering::value_population(NodeId id) {
  const auto known = values_.find(id);
  if (known != values_.end()) return known->second;
  const Node& node = graph().node(id);
  const int index = new_population(id, node.name,
                                   node.is_static ? SpikeSource::kFirstStep : SpikeSource::kAlways);
  values_[id] = index;
  population(index).payload_bits = options_.value_bits;
  population(index).sends_always = !node.is_static;
  if (role(id) == ChipRole::kInput) {
    population(index).update = UpdateRule::kFired;
  } else if (is_integrator(id)) {
    add_integrator(id, index);
  } else {
    collect(id, index);
  }
  return index;
}

void Lowering::tie(int a, int b) {
  const auto root = [&](int p) { return population(p).beside < 0 ? p : population(p).beside; };
  const int first = std::min(root(a), root(b)), second = std::max(root(a), root(b));
  for (const int p : {a, b}) keep_a_value(p);
  if (first == second) return;
  for (ChipPopulation& member : out_.network.populations) {
    if (member.beside == second) member.beside = first;
  }
  population(second).beside = first;
}

void Lowering::collect(NodeId id, int target) {
  note_affine(id);
  const NodeId value = stripped(id);
  const auto home = homes_.find(value);
  if (home != homes_.end()) {
    tie(target, home->second);
    return;
  }
  homes_[value] = target;
  if (role(value) == ChipRole::kSum) {
    // What is on the chip first: a stream that exists stays where it is.
    for (const NodeId input : graph().node(value).inputs) collect(input, target);
  } else if (const std::string reason = obstacle(value); !reason.empty()) {
    host(value, reason);
  } else {
    project(value, target);
  }
}

void Lowering::note_affine(NodeId id) {
  const NodeId value = stripped(id);
  if (role(value) != ChipRole::kSum && !homes_.count(value)) return;
  for (; id != value; id = graph().node(id).inputs[0]) {
    if (!rule(id).multiplies) continue;
    unpriced_.insert("multiply-add per neuron and step on a residual stream: " +
                     graph().node(id).name);
  }
}

void Lowering::add_projection(NodeId layer, int source, int target, const std::string& part,
                              Synapses synapses) {
  Projection added;
  added.name = graph().node(layer).name + part;
  added.source = source;
  added.target = target;
  added.synapses = std::move(synapses);
  added.weight_bits = options_.weight_bits;
  out_.network.projections.push_back(std::move(added));
  out_.layers.push_back(layer);
}

void Lowering::add_sources(NodeId id, std::vector<NodeId>& sources) const {
  id = unmoved(id);
  const NodeId source = source_of(graph(), id);
  if (role(source) == ChipRole::kParts) {
    for (const NodeId part : graph().node(source).inputs) add_sources(part, sources);
  } else {
    sources.push_back(id);
  }
}

void Lowering::project(NodeId id, int target) {
  const Node& node = graph().node(id);
  const ChipRule layer = chip_rule(node);
  if (layer.role == ChipRole::kAttention) {
    project_attention(id, target);
    return;
  }
  std::vector<NodeId> sources;
  const bool as_it_is = is_population(node) || layer.role == ChipRole::kInput || is_integrator(id);
  if (as_it_is) {
    sources = {id};
  } else {
    add_sources(node.inputs[0], sources);
  }
  for (const NodeId source : sources) {
    const NodeId sender = sender_of(source);
    const bool spikes = is_population(graph().node(sender));
    const int from = spikes ? neurons_at(sender) : value_population(stripped(source));
    if (const int64_t steps = delay_of(source); steps > 0)
      unpriced_.insert("holding what " + population(from).name + " sends to " + node.name +
                       " for " + std::to_string(steps) + (steps == 1 ? " step" : " steps"));
    // What is sent once is kept: the target adds it in every step.
    if (out_.sources[static_cast<size_t>(from)] == SpikeSource::kFirstStep) keep_a_value(target);
    const std::string part = sources.size() > 1 ? " (" + population(from).name + ")" : "";
    add_projection(id, from, target, part,
                   as_it_is ? ConvSynapses{.groups = population(from).channels}
                            : layer.synapses(population(from), population(target)));
  }
}

void Lowering::project_attention(NodeId id, int target) {
  const Node& node = graph().node(id);
  const NodeId products = source_of(graph(), node.inputs[1]);
  const std::vector<NodeId>& pair = graph().node(products).inputs;
  const int64_t heads = rule(id).heads;
  const int keys = populations_.at(source_of(graph(), pair[0]));
  const int values = populations_.at(source_of(graph(), pair[1]));
  const int queries = populations_.at(source_of(graph(), node.inputs[0]));
  add_projection(products, keys, target, " (k)", AttentionSynapses{AttentionRole::kKey, heads, -1});
  add_projection(products, values, target, " (v)",
                 AttentionSynapses{AttentionRole::kValue, heads, keys});
  add_projection(id, queries, target, "", AttentionSynapses{AttentionRole::kQuery, heads, -1});
}

void Lowering::finish() {
  std::vector<bool> sends(out_.network.populations.size());
  for (const Projection& projection : out_.network.projections)
    sends[static_cast<size_t>(projection.source)] = true;
  for (size_t p = 0; p < sends.size(); ++p) {
    ChipPopulation& at = out_.network.populations[p];
    // What changes without input: a kept value is added, several slots act on one another.
    if (at.state_bits > kValueBits) at.update = UpdateRule::kAll;
    if (sends[p] || at.payload_bits == 0 || out_.sources[p] == SpikeSource::kTrace)
      continue;  // values nobody but the host reads
    at.payload_bits = 0;
    at.sends_always = false;
    out_.sources[p] = SpikeSource::kSilent;
  }
  for (const auto& [id, reason] : hosted_) out_.host.push_back({id, reason});
  for (const auto& [id, target] : homes_) {
    if (hosted_.count(id)) exchanged_.insert("inputs of " + population(target).name);
  }
  for (const std::string& what : exchanged_) unpriced_.insert("exchange with the host: " + what);
  out_.unpriced.assign(unpriced_.begin(), unpriced_.end());
}

}  // namespace spikeloom
