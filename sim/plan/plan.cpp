#include "sim/plan/plan.hpp"

#include <algorithm>
#include <limits>
#include <set>

#include "core/error.hpp"
#include "neurons/simple_lif.hpp"
#include "sim/graph/step_window.hpp"
#include "sim/plan/layout.hpp"
#include "sim/plan/prepare_units.hpp"

namespace spikeloom {
namespace {

constexpr int64_t kForever = std::numeric_limits<int64_t>::max();

// The node whose memory shows the value of `id`.
NodeId stored_at(const Graph& graph, NodeId id) {
  id = source_of(graph, id);
  while (graph.node(id).feedback >= 0) id = source_of(graph, graph.node(id).feedback);
  return id;
}

std::vector<bool> kept_nodes(const Graph& graph, const PlanOptions& options) {
  std::vector<bool> kept(graph.nodes().size(), false);
  for (const auto& [name, id] : graph.outputs())
    kept[static_cast<size_t>(stored_at(graph, id))] = true;
  for (const std::string& name : options.keep) {
    const auto id = graph.find(name);
    if (!id) throw Error(ErrorCode::kUsage, "the network has no node '" + name + "' to keep");
    kept[static_cast<size_t>(stored_at(graph, *id))] = true;
  }
  // Levels become planes at the end of a chunk.
  for (NodeId id = 0; id < graph.size(); ++id) {
    if (graph.node(id).kind == EdgeKind::kLevels && is_population(graph.node(id)))
      kept[static_cast<size_t>(stored_at(graph, id))] = true;
  }
  return kept;
}

// Grows a unit from its main node through the elementwise nodes behind it.
class UnitBuilder {
 public:
  UnitBuilder(const Plan& plan, const std::vector<bool>& kept)
      : graph_(plan.graph),
        delays_(plan.delays),
        consumers_(consumers_of(plan.graph)),
        kept_(kept) {}

  Unit grow(NodeId main) const {
    Unit unit{.main = main};
    if (is_events(graph_.node(main).kind)) return unit;
    for (NodeId at = main;;) {
      const NodeId next = sole_consumer(at);
      if (next < 0 || !absorb(unit, at, next)) break;
      if (unit.neuron >= 0) return unit;
      at = next;
    }
    if (!may_fire(unit)) return unit;
    // The real value is wanted elsewhere too: a neuron directly behind it may still share the pass.
    for (const NodeId next : consumers_[static_cast<size_t>(unit.real_last())]) {
      if (steps_in_pass(graph_.node(next).op) && may_fire(unit) &&
          graph_.node(main).is_static == graph_.node(next).is_static) {
        unit.neuron = next;
        break;
      }
    }
    return unit;
  }

 private:
  NodeId sole_consumer(NodeId id) const {
    const auto& next = consumers_[static_cast<size_t>(id)];
    return next.size() == 1 && !kept_[static_cast<size_t>(id)] ? next[0] : -1;
  }

  // Neurons that kernels step behind the sums they make; others are units of their own.
  static bool steps_in_pass(const Op& op) {
    const auto* neuron = std::get_if<Neuron>(&op);
    return neuron != nullptr && simple_lif(neuron->spec).has_value();
  }

  // A unit has one state slot.
  bool may_fire(const Unit& unit) const { return state_of(graph_.node(unit.main)).empty(); }

  bool absorb(Unit& unit, NodeId at, NodeId next) const {
    const Node& node = graph_.node(next);
    if (node.is_static != graph_.node(unit.main).is_static) return false;
    if (delays_[static_cast<size_t>(next)] != delays_[static_cast<size_t>(unit.main)]) return false;
    if (const auto* norm = std::get_if<BatchNorm>(&node.op)) {
      if (norm->pad != 0 || unit.affine >= 0 || unit.residual >= 0) return false;
      unit.affine = next;
      return true;
    }
    if (std::holds_alternative<Add>(node.op)) {
      const NodeId other = node.inputs[0] == at ? node.inputs[1] : node.inputs[0];
      if (unit.residual >= 0 || other == at || other > unit.main) return false;
      if (graph_.node(other).kind != EdgeKind::kReal) return false;
      unit.residual = next;
      unit.residual_other = other;
      return true;
    }
    if (steps_in_pass(node.op) && may_fire(unit)) {
      unit.neuron = next;
      return true;
    }
    return false;
  }

  const Graph& graph_;
  const std::vector<int64_t>& delays_;
  std::vector<std::vector<NodeId>> consumers_;
  const std::vector<bool>& kept_;
};

std::vector<Unit> make_units(const Plan& plan, const std::vector<bool>& kept, bool grouped) {
  const Graph& graph = plan.graph;
  const UnitBuilder builder(plan, kept);
  std::vector<bool> done(graph.nodes().size(), false);
  std::vector<Unit> units;
  for (NodeId id = 0; id < graph.size(); ++id) {
    const Op& op = graph.node(id).op;
    const bool runs =
        !std::holds_alternative<Input>(op) && !is_view(op) && !std::holds_alternative<Feedback>(op);
    if (done[static_cast<size_t>(id)] || !runs) continue;
    const Unit unit = grouped ? builder.grow(id) : Unit{.main = id};
    for (const NodeId part : {unit.main, unit.affine, unit.residual, unit.neuron}) {
      if (part >= 0) done[static_cast<size_t>(part)] = true;
    }
    units.push_back(unit);
  }
  return units;
}

// The unit each node belongs to; -1: nothing runs for it.
std::vector<int64_t> units_of_nodes(const Plan& plan) {
  std::vector<int64_t> unit_of(plan.graph.nodes().size(), -1);
  for (size_t u = 0; u < plan.units.size(); ++u) {
    const Unit& unit = plan.units[u];
    for (const NodeId part : {unit.main, unit.affine, unit.residual, unit.neuron}) {
      if (part >= 0) unit_of[static_cast<size_t>(part)] = static_cast<int64_t>(u);
    }
  }
  return unit_of;
}

// Units that wait for each other through feedback (strongly connected parts, after Tarjan, SIAM J.
// Computing 1972), and an order in which every part follows what it reads.
class Loops {
 public:
  explicit Loops(const Plan& plan) : reads_(plan.units.size()) {
    const std::vector<int64_t> unit_of = units_of_nodes(plan);
    for (NodeId id = 0; id < plan.graph.size(); ++id) {
      const int64_t reader = unit_of[static_cast<size_t>(id)];
      if (reader < 0) continue;
      for (const NodeId input : plan.graph.node(id).inputs) {
        const int64_t from = unit_of[static_cast<size_t>(stored_at(plan.graph, input))];
        const bool back = plan.graph.node(source_of(plan.graph, input)).feedback >= 0;
        if (from < 0 || (from == reader && !back)) continue;
        reads_[static_cast<size_t>(reader)].push_back(static_cast<size_t>(from));
      }
    }
    index_.assign(reads_.size(), -1);
    low_.assign(reads_.size(), 0);
    open_.assign(reads_.size(), false);
    for (size_t unit = 0; unit < reads_.size(); ++unit) {
      if (index_[unit] < 0) visit(unit);
    }
  }

  // Parts in the order of running, each of ascending units.
  const std::vector<std::vector<size_t>>& parts() const { return parts_; }
  bool is_loop(const std::vector<size_t>& part) const {
    const auto& reads = reads_[part[0]];
    return part.size() > 1 || std::find(reads.begin(), reads.end(), part[0]) != reads.end();
  }

 private:
  struct Frame {
    size_t unit, next;
  };

  // Without recursion: networks are thousands of units deep.
  void visit(size_t root) {
    std::vector<Frame> frames{{root, 0}};
    enter(root);
    while (!frames.empty()) {
      Frame& top = frames.back();
      const size_t unit = top.unit;
      if (top.next < reads_[unit].size()) {
        const size_t from = reads_[unit][top.next++];
        if (index_[from] < 0) {
          enter(from);
          frames.push_back({from, 0});
        } else if (open_[from]) {
          low_[unit] = std::min(low_[unit], index_[from]);
        }
        continue;
      }
      frames.pop_back();
      if (!frames.empty())
        low_[frames.back().unit] = std::min(low_[frames.back().unit], low_[unit]);
      if (low_[unit] == index_[unit]) leave(unit);
    }
  }

  void enter(size_t unit) {
    index_[unit] = low_[unit] = count_++;
    open_[unit] = true;
    stack_.push_back(unit);
  }

  void leave(size_t unit) {
    std::vector<size_t> part;
    do {
      part.push_back(stack_.back());
      open_[stack_.back()] = false;
      stack_.pop_back();
    } while (part.back() != unit);
    std::sort(part.begin(), part.end());
    parts_.push_back(std::move(part));
  }

  std::vector<std::vector<size_t>> reads_;
  std::vector<int64_t> index_, low_;
  std::vector<bool> open_;
  std::vector<size_t> stack_;
  int64_t count_ = 0;
  std::vector<std::vector<size_t>> parts_;
};

// Brings loops together. A graph without feedback keeps the order of its nodes.
void order_units(Plan& plan) {
  plan.unit_in_loop.assign(plan.units.size(), false);
  const auto& nodes = plan.graph.nodes();
  const auto open =
      std::find_if(nodes.begin(), nodes.end(), [](const Node& n) { return n.is_open(); });
  if (open != nodes.end())
    throw Error(ErrorCode::kUsage, open->name + ": a feedback that shows no node");
  if (std::none_of(nodes.begin(), nodes.end(), [](const Node& n) { return n.feedback >= 0; }))
    return;
  const Loops loops(plan);
  std::vector<Unit> ordered;
  for (const std::vector<size_t>& part : loops.parts()) {
    const size_t first = ordered.size();
    for (const size_t unit : part) ordered.push_back(plan.units[unit]);
    if (!loops.is_loop(part)) continue;
    plan.loops.emplace_back(first, ordered.size());
    std::fill_n(plan.unit_in_loop.begin() + static_cast<std::ptrdiff_t>(first), part.size(), true);
  }
  plan.units = std::move(ordered);
}

// First-fit placement of values whose lifetimes are ranges of units.
class Arena {
 public:
  int64_t place(int64_t size, int64_t begin, int64_t end) {
    std::erase_if(blocks_, [&](const Block& block) { return block.end < begin; });
    std::sort(blocks_.begin(), blocks_.end(),
              [](const Block& a, const Block& b) { return a.offset < b.offset; });
    int64_t offset = 0;
    for (const Block& block : blocks_) {
      if (block.offset - offset >= size) break;
      offset = std::max(offset, block.offset + block.size);
    }
    blocks_.push_back({offset, size, end});
    total_ = std::max(total_, offset + size);
    return offset;
  }
  int64_t total() const noexcept { return total_; }

 private:
  struct Block {
    int64_t offset, size, end;
  };
  std::vector<Block> blocks_;
  int64_t total_ = 0;
};

struct Lifetime {
  int64_t begin = -1;  // unit that writes it, -1: the input
  int64_t end = -1;    // last unit that reads it
  bool exists = false;
};

std::vector<Lifetime> lifetimes(const Plan& plan, const std::vector<bool>& kept) {
  std::vector<Lifetime> life(plan.graph.nodes().size());
  const auto at = [&](NodeId id) -> Lifetime& { return life[static_cast<size_t>(id)]; };
  for (NodeId id = 0; id < plan.graph.size(); ++id) {
    if (std::holds_alternative<Input>(plan.graph.node(id).op)) at(id).exists = true;
  }
  const std::vector<int64_t> unit_of = units_of_nodes(plan);
  for (size_t u = 0; u < plan.units.size(); ++u) {
    const Unit& unit = plan.units[u];
    at(unit.last()).exists = true;
    at(unit.last()).begin = at(unit.real_last()).begin = static_cast<int64_t>(u);
  }
  for (NodeId id = 0; id < plan.graph.size(); ++id) {
    const int64_t reader = unit_of[static_cast<size_t>(id)];
    if (reader < 0) continue;
    for (const NodeId input : plan.graph.node(id).inputs) {
      const NodeId source = stored_at(plan.graph, input);
      const bool back = plan.graph.node(source_of(plan.graph, input)).feedback >= 0;
      const bool inside = unit_of[static_cast<size_t>(source)] == reader;
      if (!inside || back) {
        at(source).exists = true;
        at(source).end = std::max(at(source).end, reader);
      }
    }
  }
  for (NodeId id = 0; id < plan.graph.size(); ++id) {
    if (kept[static_cast<size_t>(id)]) at(id).exists = true;
    // Step-major passes over the units once a step: the frames of later steps must outlast the
    // first pass, and what was kept of earlier steps must outlast the next.
    const bool passes = plan.options.schedule == Schedule::kStepMajor;
    const bool waits = std::holds_alternative<Input>(plan.graph.node(id).op) && passes;
    if (kept[static_cast<size_t>(id)] || plan.graph.node(id).is_static || waits)
      at(id).end = kForever;
    if (kept[static_cast<size_t>(id)] && passes) at(id).begin = -1;
    // Static units run before all others, wherever they stand, and once for all chunks.
    if (plan.graph.node(id).is_static) at(id).begin = -1;
    at(id).end = std::max(at(id).end, at(id).begin);
  }
  // A loop runs again and again: what it touches must outlast all of it.
  for (const auto& [first, end] : plan.loops) {
    const auto begin = static_cast<int64_t>(first), last = static_cast<int64_t>(end) - 1;
    for (Lifetime& range : life) {
      if (range.begin > last || range.end < begin) continue;
      if (range.begin > begin) range.begin = begin;
      if (range.end < last) range.end = last;
    }
  }
  return life;
}

// Past steps to keep of every value; what can be read back lies over the same steps for all.
std::vector<int64_t> histories(const Plan& plan, std::vector<bool> kept) {
  for (const Population& population : plan.populations)
    kept[static_cast<size_t>(population.node)] = true;
  return histories_of(plan.graph, plan.delays, kept);
}

void place_values(Plan& plan, const std::vector<bool>& kept) {
  auto life = lifetimes(plan, kept);
  const auto history = histories(plan, kept);
  for (size_t id = 0; id < life.size(); ++id) {
    if (life[id].exists && history[id] > 0) life[id] = {-1, kForever, true};
  }
  plan.values.resize(plan.graph.nodes().size());
  std::vector<NodeId> order;
  for (NodeId id = 0; id < plan.graph.size(); ++id) {
    if (life[static_cast<size_t>(id)].exists) order.push_back(id);
  }
  std::stable_sort(order.begin(), order.end(), [&](NodeId a, NodeId b) {
    return life[static_cast<size_t>(a)].begin < life[static_cast<size_t>(b)].begin;
  });
  Arena arena;
  for (const NodeId id : order) {
    const Node& node = plan.graph.node(id);
    ValueSlot& slot = plan.values[static_cast<size_t>(id)];
    slot.exists = true;
    slot.kept = kept[static_cast<size_t>(id)];
    slot.history = history[static_cast<size_t>(id)];
    const int64_t steps = slot.history + plan.options.chunk_steps;
    const int64_t rows = rows_of(node.shape), channels = channels_of(node.shape);
    if (node.kind == EdgeKind::kSpikes) {
      slot.is_bits = true;
      const int64_t words = rows * words_for(channels);
      slot.step_stride = node.is_static ? 0 : words;
      slot.offset = plan.spike_words;
      plan.spike_words += words * (node.is_static ? 1 : steps);
      continue;
    }
    const int64_t size = rows * padded(channels);
    const bool every_step = !node.is_static && (plan.options.schedule == Schedule::kLayerMajor ||
                                                kept[static_cast<size_t>(id)] || slot.history > 0 ||
                                                std::holds_alternative<Input>(node.op));
    slot.step_stride = every_step ? size : 0;
    const Lifetime& range = life[static_cast<size_t>(id)];
    slot.offset = arena.place(size * (every_step ? steps : 1), range.begin, range.end);
  }
  plan.real_floats = arena.total();
}

void place_planes(Plan& plan) {
  for (const Population& population : plan.populations) {
    PlaneSlot slot;
    if (plan.graph.node(population.node).kind == EdgeKind::kLevels) {
      const bool is_static = plan.graph.node(population.node).is_static;
      const int64_t words = population.rows() * words_for(channels_of(population.shape));
      slot = {plan.spike_words, is_static ? 0 : words};
      plan.spike_words += words * (is_static ? 1 : plan.options.chunk_steps);
    }
    plan.planes.push_back(slot);
  }
}

void place_state(Plan& plan) {
  // States that live only while their unit runs share one place, behind those that stay.
  int64_t staying = 0, brief = 0;
  for (size_t u = 0; u < plan.units.size(); ++u) {
    int64_t index = -1, size = 0;
    for (const NodeId part : {plan.units[u].main, plan.units[u].neuron}) {
      if (part < 0) continue;
      for (const StateSlot& slot : state_of(plan.graph.node(part))) {
        if (index < 0) index = static_cast<int64_t>(plan.states.size());
        plan.states.push_back({part, slot, plan.is_brief(u) ? size : staying + size});
        size += rows_of(slot.shape) * padded(channels_of(slot.shape));
      }
    }
    plan.state_of_unit.push_back(index);
    (plan.is_brief(u) ? brief : staying) +=
        plan.is_brief(u) ? std::max<int64_t>(0, size - brief) : size;
  }
  for (size_t u = 0; u < plan.units.size(); ++u) {
    if (!plan.is_brief(u) || plan.state_of_unit[u] < 0) continue;
    const auto mine = plan.states_of(u);
    const auto first = static_cast<size_t>(plan.state_of_unit[u]);
    for (size_t i = 0; i < mine.size(); ++i) plan.states[first + i].offset += staying;
  }
  plan.state_floats = staying + brief;
}

// Membranes that can be read back, over the steps for which the neuron's spikes lie there too.
void place_membranes(Plan& plan) {
  plan.membrane_of_unit.assign(plan.units.size(), -1);
  for (const std::string& name : plan.options.membranes) {
    const auto node = plan.graph.find(name);
    const auto found =
        std::find_if(plan.states.begin(), plan.states.end(), [&](const StateLayout& state) {
          return node == state.node && std::holds_alternative<Neuron>(plan.graph.node(*node).op);
        });
    if (found == plan.states.end())
      throw Error(ErrorCode::kUsage, "the network has no neuron '" + name + "'");
    const Shape& shape = found->slot.shape;
    const int64_t history = plan.values[static_cast<size_t>(*node)].history;
    MembraneTrace trace{found - plan.states.begin(), plan.membrane_floats,
                        rows_of(shape) * padded(channels_of(shape)), history};
    plan.membrane_floats += trace.stride * (history + plan.options.chunk_steps);
    for (size_t u = 0; u < plan.units.size(); ++u) {
      if (plan.units[u].main == *node || plan.units[u].neuron == *node)
        plan.membrane_of_unit[u] = static_cast<int64_t>(plan.membranes.size());
    }
    plan.membranes.push_back(trace);
  }
}

// The length a memory wants its whole input to have, at once: a layer-major chunk of the whole
// sample.
int64_t whole_sequence_of(const Graph& graph, const PlanOptions& options) {
  for (const Node& node : graph.nodes()) {
    const auto* memory = std::get_if<LmuMemory>(&node.op);
    if (memory == nullptr || memory->form != LmuForm::kFft) continue;
    if (options.schedule != Schedule::kLayerMajor || options.chunk_steps < memory->steps)
      throw Error(ErrorCode::kUsage,
                  node.name +
                      ": the fft memory needs the whole sequence at once, layer-major; "
                      "event and recurrent run step by step");
    return memory->steps;
  }
  return 0;
}

// Of transforms of 2 * steps points: input, result, spectrum, product, and what Eigen keeps of each
// direction, which takes a transform of half the length where that is even (sim/backends/lmu_fft.cpp).
int64_t workspace_bytes_of(const Graph& graph) {
  constexpr int64_t kArguments = 48, kHalves = 28, kWhole = 64;  // of a point
  int64_t bytes = 0;
  for (const Node& node : graph.nodes()) {
    const auto* memory = std::get_if<LmuMemory>(&node.op);
    if (memory == nullptr || memory->form != LmuForm::kFft) continue;
    bytes += 2 * memory->steps * (kArguments + (memory->steps % 2 == 0 ? kHalves : kWhole));
  }
  return bytes;
}

int64_t most_steps_of(const Graph& graph) {
  int64_t most = 0;
  for (const Node& node : graph.nodes()) {
    const auto* positions = std::get_if<Positions>(&node.op);
    if (positions == nullptr || !positions->along_steps) continue;
    most = most == 0 ? positions->count : std::min(most, positions->count);
  }
  return most;
}

}  // namespace

const ValueSlot& Plan::slot_of(NodeId id) const {
  return values[static_cast<size_t>(stored_at(graph, id))];
}

std::span<const StateLayout> Plan::states_of(size_t unit) const {
  const int64_t first = state_of_unit[unit];
  if (first < 0) return {};
  const auto mine = [&](const StateLayout& state) {
    return state.node == units[unit].main || state.node == units[unit].neuron;
  };
  const auto begin = states.begin() + first;
  return {begin, std::find_if_not(begin, states.end(), mine)};
}

Plan layout_of(Graph graph, bool groups_units, PlanOptions options) {
  if (options.chunk_steps < 1) throw Error(ErrorCode::kInternal, "a chunk needs at least one step");
  Plan plan;
  plan.graph = std::move(graph);
  plan.options = std::move(options);
  plan.delays = delays_of(plan.graph);
  plan.look_ahead = *std::max_element(plan.delays.begin(), plan.delays.end());
  plan.whole_sequence = whole_sequence_of(plan.graph, plan.options);
  plan.most_steps = most_steps_of(plan.graph);
  plan.workspace_bytes = workspace_bytes_of(plan.graph);
  const std::vector<bool> kept = kept_nodes(plan.graph, plan.options);
  for (NodeId id = 0; id < plan.graph.size(); ++id) {
    const Node& node = plan.graph.node(id);
    if (std::holds_alternative<Input>(node.op)) plan.inputs.push_back(id);
    if (std::holds_alternative<RecordedOp>(node.op))
      throw Error(ErrorCode::kUsage, node.name + ": was computed by another program (" +
                                         describe(node.op) + ") and can be counted, not run");
  }
  if (plan.inputs.empty()) throw Error(ErrorCode::kUsage, "the network has no input");
  plan.units = make_units(plan, kept, groups_units);
  order_units(plan);
  for (const Unit& unit : plan.units)
    plan.unit_is_static.push_back(plan.graph.node(unit.main).is_static);
  plan.populations = populations_of(plan.graph);
  place_values(plan, kept);
  place_planes(plan);
  place_state(plan);
  place_membranes(plan);
  return plan;
}

std::shared_ptr<const Plan> compile(Graph graph, Weights weights,
                                    std::shared_ptr<const Backend> backend, PlanOptions options) {
  return compile_on(1, std::move(graph), std::move(weights), std::move(backend),
                    std::move(options));
}

std::shared_ptr<const Plan> compile_on(int threads, Graph graph, Weights weights,
                                       std::shared_ptr<const Backend> backend,
                                       PlanOptions options) {
  auto plan = std::make_shared<Plan>(
      layout_of(std::move(graph), backend->groups_units(), std::move(options)));
  plan->backend = std::move(backend);
  prepare_units(*plan, std::move(weights), threads);
  return plan;
}

}  // namespace spikeloom
