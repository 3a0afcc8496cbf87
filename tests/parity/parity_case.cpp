#include "tests/parity/parity_case.hpp"

#include <fmt/format.h>

#include <cstring>
#include <random>

#include "sim/backends/reference/reference.hpp"
#include "sim/graph/step_window.hpp"
#include "tests/catch.hpp"

namespace spikeloom {
namespace {

// Elements between two blocks of sentinels.
template <typename T>
class Guarded {
 public:
  explicit Guarded(int64_t count) : memory_(static_cast<size_t>(count + 2 * kGuard)) {
    std::memset(memory_.data(), 0xA5, memory_.size() * sizeof(T));
  }
  T* data() { return memory_.data() + kGuard; }
  const T* data() const { return memory_.data() + kGuard; }
  int64_t size() const { return static_cast<int64_t>(memory_.size()) - 2 * kGuard; }
  bool intact() const {
    const auto* bytes = reinterpret_cast<const unsigned char*>(memory_.data());
    const size_t guard = kGuard * sizeof(T), total = memory_.size() * sizeof(T);
    for (size_t i = 0; i < guard; ++i) {
      if (bytes[i] != 0xA5 || bytes[total - 1 - i] != 0xA5) return false;
    }
    return true;
  }
  const std::vector<T>& all() const { return memory_; }
  bool operator==(const Guarded& other) const {
    return memory_.size() == other.memory_.size() &&
           std::memcmp(memory_.data(), other.memory_.data(), memory_.size() * sizeof(T)) == 0;
  }

 private:
  static constexpr size_t kGuard = 64;
  std::vector<T> memory_;
};

// A value over some steps with its memory.
struct Value {
  Guarded<float> real{0};
  Guarded<uint64_t> bits{0};
  ValueRef ref;

  // `around`: steps before and after those a kernel is told of, which a window reads.
  Value(const Node& node, int64_t steps, StepWindow around = {}) {
    ref.shape = &node.shape;
    ref.rows = rows_of(node.shape);
    ref.channels = channels_of(node.shape);
    const bool is_bits = node.kind == EdgeKind::kSpikes;
    const int64_t stride = ref.rows * (is_bits ? words_for(ref.channels) : padded(ref.channels));
    const int64_t all_steps = around.left + steps + around.right;
    ref.step_stride = all_steps > 1 ? stride : 0;
    if (is_bits) {
      bits = Guarded<uint64_t>(stride * all_steps);
      ref.bits = bits.data() + around.left * stride;
    } else {
      real = Guarded<float>(stride * all_steps);
      ref.real = real.data() + around.left * stride;
    }
  }
  Value(const Value&) = delete;
};

using Random = std::mt19937_64;

void fill(Value& value, int64_t steps, double density, Random& random, StepWindow around = {}) {
  std::normal_distribution<float> normal;
  std::bernoulli_distribution spike(density);
  for (int64_t t = -around.left; t < steps + around.right; ++t) {
    for (int64_t row = 0; row < value.ref.rows; ++row) {
      if (value.ref.bits != nullptr) {
        const MutableSpikeView view = value.ref.bits_at(t);
        std::fill(view.row(row), view.row(row) + view.row_words(), uint64_t{0});
        for (int64_t c = 0; c < view.channels; ++c) {
          if (spike(random)) view.row(row)[c >> 6] |= uint64_t{1} << (c & 63);
        }
      } else {
        float* at = value.ref.real_row(t, row);
        for (int64_t c = 0; c < padded(value.ref.channels); ++c)
          at[c] = c < value.ref.channels ? normal(random) : 0.0f;
      }
    }
  }
}

void fill_tokens(Value& value, int64_t steps, int64_t vocabulary, Random& random) {
  for (int64_t t = 0; t < steps; ++t) {
    std::fill_n(value.ref.real_at(t), padded(1), 0.0f);
    value.ref.real_at(t)[0] = static_cast<float>(random() % static_cast<uint64_t>(vocabulary));
  }
}

void fill_counts(Value& value, int64_t steps, int largest, Random& random) {
  std::uniform_int_distribution<int> count(0, largest);
  for (int64_t t = 0; t < steps; ++t) {
    for (int64_t row = 0; row < value.ref.rows; ++row) {
      float* at = value.ref.real_row(t, row);
      for (int64_t c = 0; c < padded(value.ref.channels); ++c) {
        at[c] = c < value.ref.channels ? static_cast<float>(count(random)) : 0.0f;
      }
    }
  }
}

Weights random_weights(const Graph& graph, Random& random) {
  Weights weights;
  std::normal_distribution<float> normal;
  for (const Node& node : graph.nodes()) {
    for (const Parameter& parameter : parameters_of(node.op)) {
      Tensor tensor(parameter.shape);
      const bool variance = parameter.name.ends_with(".running_var");
      const auto usual = static_cast<float>(parameter.usual);  // of neurons: time constants
      for (float& value : tensor.f32())
        value = variance     ? 0.1f + std::abs(normal(random))
                : usual != 0 ? usual * (1 + std::abs(normal(random)))
                             : normal(random);
      weights.add(parameter.name, std::move(tensor));
    }
  }
  return weights;
}

// The graph of a case and the nodes the harness fills or compares.
struct Net {
  Graph graph;
  std::vector<NodeId> inputs;
  Unit unit;
  NodeId other = -1;
};

NodeId add_operand(Graph& graph, const std::string& name, const Shape& shape, bool spikes) {
  const NodeId real = graph.add(name, Input{shape, false});
  return spikes ? graph.add(name + ".spikes", Neuron{}, {real}) : real;
}

Net build(const ParityCase& c) {
  Net net;
  Graph& g = net.graph;
  const bool adds = std::holds_alternative<Add>(c.main);
  const bool two = adds || std::holds_alternative<KtV>(c.main) ||
                   std::holds_alternative<Mul>(c.main) ||
                   std::holds_alternative<TokenMix>(c.main) ||
                   std::holds_alternative<Wkv>(c.main) || std::holds_alternative<Concat>(c.main);
  const bool attention = std::holds_alternative<SoftmaxAttention>(c.main);
  const bool binary = std::holds_alternative<KtV>(c.main) || std::holds_alternative<QApply>(c.main);
  const auto* table = std::get_if<Embedding>(&c.main);
  if (table != nullptr) {
    net.inputs.push_back(g.add("tokens", Input{{1}, false, table->vocabulary}));
  }
  const auto* neuron = std::get_if<Neuron>(&c.main);
  const int operands = neuron != nullptr  ? neuron->spec.row().inputs
                       : table != nullptr ? 0
                       : attention        ? 3
                       : two              ? 2
                                          : 1;
  for (int i = 0; i < operands; ++i) {
    const bool spikes =
        c.spikes && (c.sums_spikes || !adds || i > 0);  // else the first addend is real
    net.inputs.push_back(add_operand(g, "in" + std::to_string(i), c.in, spikes || binary));
  }
  if (const auto* apply = std::get_if<QApply>(&c.main)) {
    const NodeId k = add_operand(g, "k", c.in, true), v = add_operand(g, "v", c.in, true);
    net.inputs.push_back(g.add("a", KtV{apply->heads}, {k, v}));
  }
  net.unit.main = g.add("main", c.main, net.inputs);
  NodeId last = net.unit.main;
  const Shape shape = g.node(last).shape;
  if (c.affine)
    last = net.unit.affine = g.add("norm", BatchNorm{channels_of(shape), "norm", 1e-5, 0}, {last});
  if (c.residual) {
    net.other = g.add("other", Input{shape, false});
    last = net.unit.residual = g.add("sum", Add{}, {last, net.other});
    net.unit.residual_other = net.other;
  }
  if (c.neuron) net.unit.neuron = g.add("neuron", Neuron{*c.neuron}, {last});
  return net;
}

// Everything one run writes.
struct Outcome {
  Value real, spikes;
  Guarded<float> state{0};
  Outcome(const Graph& graph, NodeId real_node, NodeId spike_node, int64_t steps)
      : real(graph.node(real_node), steps), spikes(graph.node(spike_node), steps) {}
};

struct Setup {
  const ParityCase& c;
  Net net;
  Weights weights;
  std::vector<std::unique_ptr<Value>> in;
  std::unique_ptr<Value> other;
  NodeId state_node = -1;
  std::vector<float> initial_state;

  explicit Setup(const ParityCase& parity_case) : c(parity_case), net(build(parity_case)) {
    Random random(c.seed);
    weights = quantize(net.graph, random_weights(net.graph, random), c.precision).weights;
    const int64_t in_steps = c.static_input ? 1 : c.steps;
    const StepWindow around = window_of(c.main);
    for (const NodeId id : net.inputs) {
      in.push_back(std::make_unique<Value>(net.graph.node(id), in_steps, around));
      if (net.graph.node(id).kind == EdgeKind::kCounts) {
        fill_counts(*in.back(), in_steps, c.largest_count, random);
      } else if (const auto* table = std::get_if<Embedding>(&c.main)) {
        fill_tokens(*in.back(), in_steps, table->vocabulary, random);
      } else {
        fill(*in.back(), in_steps, c.density, random, around);
      }
    }
    if (net.other >= 0) {
      other = std::make_unique<Value>(net.graph.node(net.other), c.steps);
      fill(*other, c.steps, 0, random);
    }
    for (const NodeId id : {net.unit.main, net.unit.neuron}) {
      if (id >= 0 && !state_of(net.graph.node(id)).empty()) state_node = id;
    }
    if (state_node >= 0) {
      const Shape& shape = net.graph.node(state_node).shape;
      std::normal_distribution<float> normal(0.0f, 0.3f);
      const auto slots = static_cast<int64_t>(state_of(net.graph.node(state_node)).size());
      initial_state.resize(
          static_cast<size_t>(slots * rows_of(shape) * padded(channels_of(shape))));
      for (size_t i = 0; i < initial_state.size(); ++i) {
        const int64_t channel = static_cast<int64_t>(i) % padded(channels_of(shape));
        initial_state[i] = channel < channels_of(shape) ? normal(random) : 0.0f;
      }
    }
  }
  bool main_fires() const { return net.graph.node(net.unit.main).kind == EdgeKind::kSpikes; }
  // The neuron whose membranes the state holds, if any.
  const Neuron* neuron() const {
    return state_node < 0 ? nullptr : std::get_if<Neuron>(&net.graph.node(state_node).op);
  }
  void set_state(Outcome& outcome) const {
    outcome.state = Guarded<float>(static_cast<int64_t>(initial_state.size()));
    std::copy(initial_state.begin(), initial_state.end(), outcome.state.data());
  }
  void set_state(Outcome& outcome, float value) const {
    set_state(outcome);
    std::fill_n(outcome.state.data(), outcome.state.size(), value);
  }
  UnitIo io(int threads) const {
    UnitIo result;
    for (size_t i = 0; i < in.size(); ++i) result.in[i] = in[i]->ref;
    if (other) result.other = other->ref;
    result.steps = c.steps;
    result.steps_before = 2;
    result.threads = threads;
    return result;
  }
  NodeId real_node() const { return net.unit.real_last(); }
  NodeId spike_node() const { return net.unit.neuron >= 0 ? net.unit.neuron : net.unit.main; }
};

void run_node(const Backend& backend, const Setup& s, NodeId node, UnitIo io) {
  Unit unit;
  unit.main = node;
  const auto prepared = backend.prepare(s.net.graph, unit, s.weights);
  const auto workspace = backend.workspace(prepared.get());
  io.workspace = workspace.get();
  backend.run(s.net.graph, unit, prepared.get(), io);
}

// Node by node on the reference; on request neurons begin, whatever their state holds.
std::unique_ptr<Outcome> run_reference(const Setup& s, bool at_rest) {
  const auto backend = make_reference_backend();
  auto outcome = std::make_unique<Outcome>(s.net.graph, s.real_node(), s.spike_node(), s.c.steps);
  s.set_state(*outcome);
  // Values between the nodes; the input of a static case is spread over the steps by the zero
  // stride.
  std::vector<std::unique_ptr<Value>> between;
  ValueRef chain;
  const auto run = [&](NodeId node, UnitIo io) {
    Value* out = node == s.real_node() ? &outcome->real : nullptr;
    const bool is_spikes = s.net.graph.node(node).kind == EdgeKind::kSpikes;
    if (is_spikes) out = &outcome->spikes;
    if (out == nullptr) {
      between.push_back(std::make_unique<Value>(s.net.graph.node(node), s.c.steps));
      out = between.back().get();
    }
    (is_spikes ? io.spikes : io.real) = out->ref;
    if (node == s.state_node) io.state = outcome->state.data();
    io.brief = at_rest && node == s.state_node;
    run_node(*backend, s, node, io);
    chain = out->ref;
  };
  const Unit& unit = s.net.unit;
  run(unit.main, s.io(1));
  for (const NodeId node : {unit.affine, unit.residual, unit.neuron}) {
    if (node < 0) continue;
    UnitIo io = s.io(1);
    io.in[0] = chain;
    if (node == unit.residual) io.in[1] = s.other->ref;
    run(node, io);
  }
  return outcome;
}

double nmse(const Value& value, const Value& expected) {
  double error = 0, power = 0;
  for (int64_t i = 0; i < expected.real.size(); ++i) {
    const double e = static_cast<double>(expected.real.data()[i]),
                 d = static_cast<double>(value.real.data()[i]) - e;
    error += d * d;
    power += e * e;
  }
  return power == 0 ? error : error / power;
}

bool state_equal(const Setup& s, const Outcome& a, const Outcome& b) {
  const int64_t channels = s.state_node < 0 ? 0 : channels_of(s.net.graph.node(s.state_node).shape);
  for (int64_t at = 0; at < a.state.size(); at += padded(channels)) {
    if (std::memcmp(a.state.data() + at, b.state.data() + at,
                    static_cast<size_t>(channels) * sizeof(float)) != 0) {
      return false;
    }
  }
  return true;
}

void compare(const Setup& s, const Outcome& outcome, const Outcome& expected, bool keeps_state) {
  const bool has_spikes = s.main_fires() || s.net.unit.neuron >= 0;
  if (!s.main_fires() && s.c.stores_real) {
    if (s.c.tolerance > 0) {
      CHECK(nmse(outcome.real, expected.real) <= s.c.tolerance);
    } else {
      CHECK(outcome.real.real == expected.real.real);
    }
  }
  if (has_spikes) CHECK(outcome.spikes.bits == expected.spikes.bits);
  if (keeps_state) CHECK(state_equal(s, outcome, expected));
  CHECK((outcome.real.real.intact() && outcome.spikes.bits.intact() && outcome.state.intact()));
}

bool sums_spikes(const Setup& s) {
  const bool sums =
      std::holds_alternative<Conv2d>(s.c.main) || std::holds_alternative<Linear>(s.c.main);
  return sums && s.net.graph.node(s.net.inputs[0]).kind == EdgeKind::kSpikes;
}

// What a run reads and writes, where the backend has its memory.
class Moved {
 public:
  explicit Moved(const Backend& backend) : backend_(backend), queue_(backend.queue()) {
    // Of a session that has done nothing yet.
    if (!backend.uses_host_memory()) backend.begin_chunk(queue_.get(), 0, {});
  }
  void* queue() const { return queue_.get(); }

  // `ref` points into `from`.
  void value(const Value& from, ValueRef& ref) {
    if (ref.real != nullptr) ref.real = there(from.real, ref.real);
    if (ref.bits != nullptr) ref.bits = there(from.bits, ref.bits);
  }
  template <typename T>
  T* there(const Guarded<T>& from, T* at) {
    if (backend_.uses_host_memory()) return at;
    const auto bytes = static_cast<int64_t>(from.all().size() * sizeof(T));
    auto memory = backend_.allocate(bytes);
    backend_.copy_in(queue_.get(), memory.get(), from.all().data(), bytes);
    blocks_.push_back({memory, from.all().data(), bytes});
    return reinterpret_cast<T*>(memory.get()) + (at - from.all().data());
  }
  // Everything comes back, what should not have been written, too.
  void finish() {
    if (backend_.uses_host_memory()) return;
    for (const Block& block : blocks_)
      backend_.copy_out(queue_.get(), const_cast<void*>(block.from), block.memory.get(),
                        block.bytes);
    backend_.finish(queue_.get());
  }

 private:
  struct Block {
    std::shared_ptr<std::byte> memory;
    const void* from;
    int64_t bytes;
  };
  const Backend& backend_;
  std::shared_ptr<void> queue_;
  std::vector<Block> blocks_;
};

}  // namespace

std::string describe(const ParityCase& c) {
  return fmt::format(
      "{} on {} {} density {} counts {} affine {} residual {} neuron {} real {} static {} steps {} "
      "{} seed "
      "{}",
      describe(c.main), c.spikes ? "spikes" : "real", to_string(c.in), c.density, c.largest_count,
      c.affine, c.residual, c.neuron ? describe(*c.neuron) : "none", c.stores_real, c.static_input,
      c.steps, name_of(c.precision), c.seed);
}

void check_parity(const ParityCase& c) {
  INFO(describe(c));
  const Setup s(c);
  const auto expected = run_reference(s, false);
  // Brief neurons start at rest whatever their state holds.
  constexpr float kWouldShow = 1e6f;
  const auto expected_brief = s.neuron() != nullptr ? run_reference(s, true) : nullptr;
  for (const ParityTarget& target : parity_targets(sums_spikes(s))) {
    const auto prepared = target.backend->prepare(s.net.graph, s.net.unit, s.weights);
    const auto workspace = target.backend->workspace(prepared.get());
    for (const int threads : target.threads) {
      INFO(target.name << ", " << threads << " threads");
      Outcome outcome(s.net.graph, s.real_node(), s.spike_node(), s.c.steps);
      UnitIo io = s.io(threads);
      io.brief = expected_brief != nullptr && threads == 3;
      io.brief ? s.set_state(outcome, kWouldShow) : s.set_state(outcome);
      if (!s.main_fires() && (c.stores_real || !c.neuron)) io.real = outcome.real.ref;
      if (s.main_fires() || c.neuron) io.spikes = outcome.spikes.ref;
      Moved moved(*target.backend);
      for (size_t i = 0; i < s.in.size(); ++i) moved.value(*s.in[i], io.in[i]);
      if (s.other) moved.value(*s.other, io.other);
      moved.value(outcome.real, io.real);
      moved.value(outcome.spikes, io.spikes);
      io.state = moved.there(outcome.state, outcome.state.data());
      io.workspace = workspace.get();
      io.queue = moved.queue();
      target.backend->run(s.net.graph, s.net.unit, prepared.get(), io);
      moved.finish();
      compare(s, outcome, io.brief ? *expected_brief : *expected, !io.brief);
    }
  }
}

}  // namespace spikeloom
