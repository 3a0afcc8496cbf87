#include "hw_model/chip/lower.hpp"

#include <algorithm>
#include <map>
#include <set>

#include "core/error.hpp"
#include "hw_model/chip/lower_graph.hpp"

namespace spikeloom {
namespace {

constexpr int64_t kValueBits = 32;  // of a membrane, of a residual value
constexpr const char* kNoMaximum = "no unit of a core finds the largest of several values";
constexpr const char* kNoMap = "its operand is put together from others, and no map";

class Lowering {
 public:
  Lowering(const Graph& graph, const ChipSpec& chip, const LowerOptions& options)
      : options_(options) {
    out_.graph = fused_form(graph);
    consumers_ = consumers_of(out_.graph);
    extents_ = extents_of(out_.graph);
    multiplies_ = find_unit(chip, UnitKind::kMultiply, "", "").has_value();
    has_outer_products_ = find_unit(chip, UnitKind::kOuterProduct, "", "").has_value();
  }

  LoweredNetwork run() {
    for (NodeId id = 0; id < graph().size(); ++id) {
      const Node& node = graph().node(id);
      // A Threshold without readers is a mask for counters.
      const bool mask = std::holds_alternative<Threshold>(node.op) && readers(id).empty();
      if (is_population(node) && !mask) add_neurons(id);
    }
    const auto logits = graph().find_output("logits");
    for (const auto& [name, id] : graph().outputs()) {
      if (!logits || id == *logits) add_readout(id);
    }
    finish();
    return std::move(out_);
  }

 private:
  const Graph& graph() const { return out_.graph; }
  const std::vector<NodeId>& readers(NodeId id) const {
    return consumers_[static_cast<size_t>(id)];
  }
  ChipPopulation& population(int index) {
    return out_.network.populations[static_cast<size_t>(index)];
  }

  NodeId stripped(NodeId id) const { return behind_free(graph(), id); }

  int new_population(NodeId id, std::string name, SpikeSource source) {
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

  // Beside what the neurons themselves remember; once for all that sends to them.
  void keep_a_value(int p) {
    if (keeps_.insert(p).second) population(p).state_bits += kValueBits;
  }

  void add_neurons(NodeId id) {
    const Node& node = graph().node(id);
    const int target = new_population(id, node.name, SpikeSource::kTrace);
    populations_[id] = target;
    const PopulationInfo info = *population_of(node.op);
    carry_levels(node, population(target));
    if (info.is_copy) unpriced_.insert("carrying spikes to their delayed copy " + node.name);
    if (info.is_input ||
        info.is_copy) {  // spikes come from elsewhere: nothing is computed for them
      population(target).update = UpdateRule::kFired;
      return;
    }
    if (const auto* pool = std::get_if<Pool2d>(&node.op)) {
      add_pool(id, *pool, target);
      return;
    }
    if (std::holds_alternative<Add>(node.op)) {  // sends on what came in this step
      population(target).update = UpdateRule::kTouched;
      for (const NodeId input : node.inputs) collect(input, target);
      return;
    }
    const auto slots = static_cast<int64_t>(state_of(node).size());
    population(target).state_bits = kValueBits * std::max<int64_t>(1, slots);
    for (const NodeId input : node.inputs) collect(input, target);
  }

  // Levels travel as payload where targets can multiply, else as so many spikes.
  void carry_levels(const Node& node, ChipPopulation& sender) const {
    if (node.kind != EdgeKind::kLevels) return;
    sender.levels = node.levels;
    if (multiplies_) sender.payload_bits = node.levels.planes();
  }

  // Without a payload a packet stands for one unit and has no sign.
  std::string signs_obstacle(NodeId id) const {
    const Node& node = graph().node(id);
    const bool loses = node.kind == EdgeKind::kLevels && node.levels.is_signed() && !multiplies_;
    return loses ? "its operand has negative levels, and the chip has no unit that multiplies" : "";
  }

  // A maximum of spikes fires when any of its window does; nothing is left for the next step.
  void add_pool(NodeId id, const Pool2d& pool, int target) {
    population(target).update = UpdateRule::kTouched;
    const auto source = populations_.find(source_of(graph(), graph().node(id).inputs[0]));
    const bool finds_most =
        pool.mode == PoolMode::kMax && graph().node(id).kind == EdgeKind::kLevels;
    const std::string reason = finds_most                     ? kNoMaximum
                               : source == populations_.end() ? kNoMap
                               : !signs_obstacle(source->first).empty()
                                   ? signs_obstacle(source->first)
                                   : map_obstacle(id);
    if (!reason.empty()) {
      homes_[id] = target;
      host(id, reason);
      return;
    }
    add_projection(id, source->second, target, "", synapses_of(pool, source->second, target));
  }

  // An output that spikes is there already; a running mean over the steps is a sum in place.
  void add_readout(NodeId id) {
    NodeId value = stripped(id);
    while (std::holds_alternative<StepMean>(graph().node(value).op))
      value = stripped(graph().node(value).inputs[0]);
    if (populations_.count(value) || values_.count(value) || homes_.count(value)) return;
    if (std::holds_alternative<Input>(graph().node(value).op)) return;
    if (!is_pure(value)) {
      host(value, host_reason(value, ""));
      return;
    }
    collect(value, new_population(value, graph().node(id).name, SpikeSource::kSilent));
    unpriced_.insert("reading out: " + std::to_string(element_count(graph().node(id).shape)) +
                     " values of " + graph().node(id).name + " per inference");
  }

  // Neurons that hold a real value and send it.
  int value_population(NodeId id) {
    const auto known = values_.find(id);
    if (known != values_.end()) return known->second;
    const Node& node = graph().node(id);
    const int index = new_population(
        id, node.name, node.is_static ? SpikeSource::kFirstStep : SpikeSource::kAlways);
    values_[id] = index;
    population(index).payload_bits = options_.value_bits;
    population(index).sends_always = !node.is_static;
    if (std::holds_alternative<Input>(node.op)) {
      population(index).update = UpdateRule::kFired;
    } else {
      collect(id, index);
    }
    return index;
  }

  // Population and all that share a stream with it become one group; the first is its root.
  void tie(int a, int b) {
    const auto root = [&](int p) { return population(p).beside < 0 ? p : population(p).beside; };
    const int first = std::min(root(a), root(b)), second = std::max(root(a), root(b));
    for (const int p : {a, b}) keep_a_value(p);
    if (first == second) return;
    for (ChipPopulation& member : out_.network.populations) {
      if (member.beside == second) member.beside = first;
    }
    population(second).beside = first;
  }

  // Makes `target` receive a real value (or counts).
  void collect(NodeId id, int target) {
    note_affine(id);
    const NodeId value = stripped(id);
    const auto home = homes_.find(value);
    if (home != homes_.end()) {
      tie(target, home->second);
      return;
    }
    homes_[value] = target;
    const Node& node = graph().node(value);
    if (std::holds_alternative<Add>(node.op)) {
      // What is on the chip first: a stream that exists stays where it is.
      for (const NodeId input : node.inputs) collect(input, target);
    } else if (const std::string reason = obstacle(value); !reason.empty()) {
      host(value, reason);
    } else {
      project(value, target);
    }
  }

  // A normalisation of a stream that others read as well cannot go into the weights.
  void note_affine(NodeId id) {
    const NodeId value = stripped(id);
    if (!std::holds_alternative<Add>(graph().node(value).op) && !homes_.count(value)) return;
    for (; id != value; id = graph().node(id).inputs[0]) {
      if (!std::holds_alternative<BatchNorm>(graph().node(id).op)) continue;
      unpriced_.insert("multiply-add per neuron and step on a residual stream: " +
                       graph().node(id).name);
    }
  }

  // Can a projection read this value? "" or why not.
  std::string operand_obstacle(NodeId id, bool reader_is_dense) {
    const NodeId source = source_of(graph(), id);
    const Node& node = graph().node(source);
    if (is_flat(id)) {
      return reader_is_dense ? operand_obstacle(unflattened(id), reader_is_dense)
                             : "its operand is flattened, and it does not read all of it";
    }
    if (std::holds_alternative<Concat>(node.op)) {
      for (const NodeId part : node.inputs) {
        std::string reason = operand_obstacle(part, reader_is_dense);
        if (!reason.empty()) return reason;
      }
      return "";
    }
    if (is_population(node)) return signs_obstacle(source);
    if (node.kind == EdgeKind::kReal && !multiplies_)
      return "its operand is real, and the chip has no unit that multiplies";
    return is_pure(stripped(id)) ? "" : "its operand comes from the host";
  }

  // Why a value that is no sum cannot be computed by cores; "" when it can.
  std::string obstacle(NodeId id) {
    const Node& node = graph().node(id);
    if (is_population(node)) return signs_obstacle(id);
    if (std::holds_alternative<Input>(node.op))
      return multiplies_ ? "" : "its values are real, and the chip has no unit that multiplies";
    if (const auto* apply = std::get_if<QApply>(&node.op)) return attention_obstacle(node, *apply);
    const auto* memory = std::get_if<LmuMemory>(&node.op);
    if (memory != nullptr && memory->form != LmuForm::kEvent)
      return "only the event form of the memory consists of synapses";
    const auto* pool = std::get_if<Pool2d>(&node.op);
    if (pool != nullptr && pool->mode == PoolMode::kMax) return kNoMaximum;
    if (!is_weighted_on_chip(node.op) && pool == nullptr &&
        !std::holds_alternative<SpatialMean>(node.op))
      return "no unit of a core computes it";
    const NodeId operand = source_of(graph(), node.inputs[0]);
    if (pool != nullptr && std::holds_alternative<Concat>(graph().node(operand).op)) return kNoMap;
    if (const auto* conv = std::get_if<Conv2d>(&node.op)) {
      const WindowAxis y = conv->along_y(), x = conv->along_x();
      if (y.dilation > 1 || x.dilation > 1) return "no unit of a core walks a dilated kernel";
      if (y.before != y.after || x.before != x.after)
        return "it pads more behind the map than in front of it";
    }
    if (std::holds_alternative<Conv2d>(node.op) || pool != nullptr) {
      if (std::string reason = map_obstacle(id); !reason.empty()) return reason;
    }
    return operand_obstacle(node.inputs[0], is_dense(node));
  }

  // Does every output read every input? Then it does not matter where a Flatten moved it.
  static bool is_dense(const Node& node) {
    return std::holds_alternative<Conv1d>(node.op) || std::holds_alternative<LmuMemory>(node.op) ||
           (std::holds_alternative<Linear>(node.op) && node.shape.size() == 1);
  }
  bool is_flat(NodeId id) const {
    return std::holds_alternative<Flatten>(graph().node(stripped(id)).op);
  }
  NodeId unflattened(NodeId id) const {
    while (is_flat(id)) id = graph().node(stripped(id)).inputs[0];
    return id;
  }

  // Can a projection move over the map that a node reads? "" or why not.
  std::string map_obstacle(NodeId id) const {
    const NodeId input = graph().node(id).inputs[0];
    const Extent from = extents_[static_cast<size_t>(source_of(graph(), input))];
    const Shape& seen = graph().node(input).shape;
    if (from.height == seen[0] && from.width == seen[1]) return "";
    return "it reads its operand under another shape";
  }

  std::string attention_obstacle(const Node& node, const QApply& apply) {
    if (!has_outer_products_) return "the chip has no unit for outer products";
    const Node& products = graph().node(source_of(graph(), node.inputs[1]));
    const auto* ktv = std::get_if<KtV>(&products.op);
    if (ktv == nullptr || ktv->heads != apply.heads) return "it is no product of K^T V";
    for (const NodeId id : {node.inputs[0], products.inputs[0], products.inputs[1]}) {
      if (!populations_.count(source_of(graph(), id))) return "an operand is no layer of neurons";
    }
    return "";
  }

  // Can cores collect all of a value? True for a stream that is on the chip already.
  bool is_pure(NodeId id) {
    if (homes_.count(id)) return true;
    const auto known = pure_.find(id);
    if (known != pure_.end()) return known->second;
    const Node& node = graph().node(id);
    bool pure = true;
    if (std::holds_alternative<Add>(node.op)) {
      for (const NodeId input : node.inputs) pure = pure && is_pure(stripped(input));
    } else {
      pure = obstacle(id).empty();
    }
    return pure_[id] = pure;
  }

  void add_projection(NodeId layer, int source, int target, const std::string& part,
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

  Synapses synapses_of(const Op& op, int source, int target) {
    const ChipPopulation& from = population(source);
    if (const auto* conv = std::get_if<Conv2d>(&op)) {
      const WindowAxis y = conv->along_y(), x = conv->along_x();
      return ConvSynapses{y.kernel, x.kernel, y.stride, x.stride, y.before, x.before, conv->groups};
    }
    if (const auto* conv = std::get_if<Conv1d>(&op)) return DenseSynapses{conv->kernel()};
    if (const auto* memory = std::get_if<LmuMemory>(&op)) return DenseSynapses{memory->taps};
    if (const auto* pool = std::get_if<Pool2d>(&op)) {
      return ConvSynapses{pool->kernel.y,  pool->kernel.x,  pool->stride.y, pool->stride.x,
                          pool->padding.y, pool->padding.x, from.channels};
    }
    if (std::holds_alternative<SpatialMean>(op)) {
      return ConvSynapses{
          .kernel_y = from.height, .kernel_x = from.width, .groups = population(target).channels};
    }
    if (std::holds_alternative<Linear>(op)) {
      const bool rows = from.positions() > 1 && population(target).positions() > 1;
      return rows ? Synapses(ConvSynapses{}) : Synapses(DenseSynapses{});
    }
    return ConvSynapses{.groups = from.channels};  // spikes or values that are added as they are
  }

  // What an operand consists of.
  void add_sources(NodeId id, std::vector<NodeId>& sources) const {
    id = unflattened(id);
    const Node& from = graph().node(source_of(graph(), id));
    if (std::holds_alternative<Concat>(from.op)) {
      for (const NodeId part : from.inputs) add_sources(part, sources);
    } else {
      sources.push_back(id);
    }
  }

  void project(NodeId id, int target) {
    const Node& node = graph().node(id);
    if (std::holds_alternative<QApply>(node.op)) {
      project_attention(id, target);
      return;
    }
    std::vector<NodeId> sources;
    const bool as_it_is = is_population(node) || std::holds_alternative<Input>(node.op);
    if (as_it_is) {
      sources = {id};
    } else {
      add_sources(node.inputs[0], sources);
    }
    for (const NodeId source : sources) {
      const auto known = populations_.find(source_of(graph(), source));
      const int from =
          known != populations_.end() ? known->second : value_population(stripped(source));
      // What is sent once is kept: the target adds it in every step.
      if (out_.sources[static_cast<size_t>(from)] == SpikeSource::kFirstStep) keep_a_value(target);
      const std::string part = sources.size() > 1 ? " (" + population(from).name + ")" : "";
      add_projection(id, from, target, part,
                     as_it_is ? ConvSynapses{.groups = population(from).channels}
                              : synapses_of(node.op, from, target));
    }
  }

  void project_attention(NodeId id, int target) {
    const Node& node = graph().node(id);
    const NodeId products = source_of(graph(), node.inputs[1]);
    const std::vector<NodeId>& pair = graph().node(products).inputs;
    const int64_t heads = std::get<QApply>(node.op).heads;
    const int keys = populations_.at(source_of(graph(), pair[0]));
    const int values = populations_.at(source_of(graph(), pair[1]));
    const int queries = populations_.at(source_of(graph(), node.inputs[0]));
    add_projection(products, keys, target, " (k)",
                   AttentionSynapses{AttentionRole::kKey, heads, -1});
    add_projection(products, values, target, " (v)",
                   AttentionSynapses{AttentionRole::kValue, heads, keys});
    add_projection(id, queries, target, "", AttentionSynapses{AttentionRole::kQuery, heads, -1});
  }

  // Why a value goes to the host when what it feeds, left there for `reason`, does.
  std::string host_reason(NodeId id, const std::string& reason) {
    const Node& node = graph().node(id);
    if (std::holds_alternative<KtV>(node.op)) return reason;
    return node.kind == EdgeKind::kReal && !std::holds_alternative<Add>(node.op) ? obstacle(id)
                                                                                 : "";
  }

  // Leaves a value to the host, and what it follows from up to what the chip holds.
  void host(NodeId id, const std::string& reason) {
    if (!hosted_
             .emplace(id, reason.empty() ? "it follows or feeds what is left to the host" : reason)
             .second)
      return;
    for (const NodeId input : graph().node(id).inputs) {
      const NodeId value =
          graph().node(input).kind == EdgeKind::kReal ? stripped(input) : source_of(graph(), input);
      const Node& from = graph().node(value);
      if (is_population(from)) {
        exchanged_.insert("spikes of " + from.name);
      } else if (std::holds_alternative<Input>(from.op)) {
        continue;
      } else if (from.kind == EdgeKind::kReal && is_pure(value)) {
        value_population(value);
        exchanged_.insert("values of " + from.name);
      } else {
        host(value, host_reason(value, reason));
      }
    }
  }

  void finish() {
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

  const LowerOptions& options_;
  LoweredNetwork out_;
  bool multiplies_ = false, has_outer_products_ = false;
  std::vector<std::vector<NodeId>> consumers_;
  std::vector<Extent> extents_;
  std::map<NodeId, int> populations_, values_;  // by node of neurons, of real values
  std::map<NodeId, int> homes_;  // by stripped value: the population that collects it
  std::map<NodeId, bool> pure_;
  std::set<int> keeps_;                   // populations with a value kept beside their own state
  std::map<NodeId, std::string> hosted_;  // reasons
  std::set<std::string> exchanged_, unpriced_;
};

}  // namespace

LoweredNetwork lower(const Graph& graph, const ChipSpec& chip, const LowerOptions& options) {
  LoweredNetwork lowered = Lowering(graph, chip, options).run();
  if (lowered.network.populations.empty())
    throw Error(ErrorCode::kUsage, "the network has no neurons to put on chip " + chip.name);
  check_network(lowered.network);
  return lowered;
}

}  // namespace spikeloom
