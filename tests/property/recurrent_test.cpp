// Networks with feedback, delays, levels and neurons of several states: on whatever backend, in
// whatever chunks and order of running, the bits of the equations written out here; counts are what
// arrives.

#include <algorithm>
#include <bit>
#include <cmath>
#include <functional>
#include <map>

#include "core/error.hpp"
#include "core/rng.hpp"
#include "sim/backends/cpu/cpu.hpp"
#include "sim/backends/reference/reference.hpp"
#include "sim/counts/op_counter.hpp"
#include "sim/counts/op_counts.hpp"
#include "sim/graph/fuse.hpp"
#include "sim/graph/step_window.hpp"
#include "sim/plan/session.hpp"
#include "sim/trace/graph_json.hpp"
#include "tests/catch.hpp"

using namespace spikeloom;

namespace {

constexpr float kThreshold = 0.6f;

enum class Kind { kLif, kMulti, kCuba };

struct PlainNeuron {
  Kind kind = Kind::kLif;
  float decay = 0;
  bool soft = false;
};

struct Net {
  Graph graph;
  Weights weights;
  std::map<std::string, PlainNeuron> neurons = {};
};

float value_of(uint64_t seed, const std::string& name, uint64_t i) {
  return 2 * random_uniform(seed, std::hash<std::string>()(name) & 0xffff, i) - 1;
}

// Arrays of a graph: delays are whole numbers, the rest lies in [-scale, scale].
Weights arrays_of(const Graph& graph, uint64_t seed, float scale) {
  Weights weights;
  for (const Node& node : graph.nodes()) {
    const auto* delay = std::get_if<Delay>(&node.op);
    for (const Parameter& parameter : parameters_of(node.op)) {
      Tensor array(parameter.shape);
      // Neurons that fire as often as they are told would fire ever more.
      const bool echoes = parameter.name.find(".echo") != std::string::npos;
      const float here = echoes ? scale / 50 : scale;
      for (size_t i = 0; i < array.f32().size(); ++i) {
        const float value = value_of(seed, parameter.name, i);
        array.f32()[i] = delay == nullptr
                             ? here * value
                             : std::floor((value + 1) / 2 * static_cast<float>(delay->steps + 1));
      }
      weights.add(parameter.name, std::move(array));
    }
  }
  return weights;
}

// Small networks of one to three layers, each driven by the one before and by feedback from itself
// or a later one, some through delays, some through sums of spikes.
class RandomNet {
 public:
  explicit RandomNet(uint64_t seed) : seed_(seed) {}

  Net make() {
    const int64_t width = 3 + pick(70);
    const int64_t kind = pick(4);  // spikes, levels, levels of either sign, real
    NodeId at = graph_.add(
        "in",
        Input{{width}, false, 0, kind == 0, kind == 2 ? -2 : 0, kind == 1 || kind == 2 ? 5 : 0});
    const int64_t layers = 1 + pick(3);
    std::vector<NodeId> backs;
    for (int64_t l = 0; l < layers; ++l) at = layer("l" + std::to_string(l), at, backs);
    for (const NodeId back : backs) graph_.close(back, source_for(back));
    graph_.output(
        "logits",
        graph_.add("head", Linear{channels_of(graph_.node(at).shape), 3, 0, "head.weight", ""},
                   {at}));
    return {graph_, arrays_of(graph_, seed_, 0.7f), neurons_};
  }

 private:
  int64_t pick(int64_t count) {
    return static_cast<int64_t>(random_bits(seed_, 7, drawn_++) % static_cast<uint64_t>(count));
  }

  NodeId matrix(const std::string& name, NodeId from, int64_t outputs) {
    const int64_t inputs = channels_of(graph_.node(from).shape);
    return graph_.add(name, Linear{inputs, outputs, 0, name + ".weight", ""}, {from});
  }

  NodeId layer(const std::string& name, NodeId from, std::vector<NodeId>& backs) {
    const int64_t width = 2 + pick(80);
    constexpr Kind kKinds[] = {Kind::kLif, Kind::kLif, Kind::kMulti, Kind::kCuba};
    kind_ = kKinds[pick(4)];
    if (pick(3) == 0) {
      const int64_t steps = 1 + pick(4);
      const Shape shape = graph_.node(from).shape;
      const std::string delays = pick(2) == 0 ? name + ".delays" : "";
      from = graph_.add(name + ".late", Delay{steps, delays, delays.empty() ? Shape{} : shape},
                        {from});
    }
    NodeId sum = matrix(name + ".w", from, width);
    const int64_t loops = pick(3);
    for (int64_t i = 0; i < loops; ++i) {
      const std::string loop =
          name + (kind_ == Kind::kMulti ? ".echo" : ".back") + std::to_string(i);
      const bool real = pick(4) == 0, spikes = !real && kind_ != Kind::kMulti;
      backs.push_back(
          graph_.add(loop, Feedback{{width}, spikes, 0, real || spikes ? 0 : kMostSpikesInStep}));
      NodeId back = backs.back();
      if (pick(3) == 0) back = graph_.add(loop + ".late", Delay{1 + pick(3), "", {}}, {back});
      sum = graph_.add(loop + ".add", Add{}, {sum, matrix(loop + ".w", back, width)});
    }
    const NodeId fired = graph_.add(name + ".lif", neuron(name + ".lif"), {sum});
    if (pick(3) != 0) return fired;
    const NodeId late = graph_.add(name + ".again", Delay{1 + pick(2), "", {}}, {fired});
    return graph_.add(name + ".sum", Add{}, {fired, late});
  }

  Neuron neuron(const std::string& name) {
    const float tau = 1.5f + static_cast<float>(pick(3));
    NeuronSpec spec = kind_ == Kind::kCuba ? spikeloom::neuron("CubaLIF") : lif(tau, kThreshold);
    const bool soft = pick(2) == 0;
    if (kind_ == Kind::kCuba) {
      spec["tau_syn"].value = spec["tau_mem"].value = double{tau};
      spec["v_threshold"].value = double{kThreshold};
      spec.rules.reset = Reset::kHard;
    }
    if (soft) spec.rules.reset = Reset::kSoft;
    if (kind_ == Kind::kMulti) {
      spec = spikeloom::neuron("IF");
      spec["v_threshold"].value = double{kThreshold};
      spec.rules.reset = Reset::kMulti;
    }
    neurons_[name] = {kind_, static_cast<float>(1 / double{tau}), soft};
    return Neuron{spec};
  }

  // A node of the feedback's kind and shape: the layer's own spikes, or its currents.
  NodeId source_for(NodeId back) const {
    const Node& node = graph_.node(back);
    const std::string layer = node.name.substr(0, node.name.find('.'));
    if (is_events(node.kind)) return *graph_.find(layer + ".lif");
    return *graph_.find(layer + ".w");
  }

  uint64_t seed_;
  uint64_t drawn_ = 0;
  Kind kind_ = Kind::kLif;  // of the layer that is made
  Graph graph_;
  std::map<std::string, PlainNeuron> neurons_;
};

Tensor frames_for(const Graph& graph, int64_t steps, uint64_t seed) {
  Tensor frames({steps, graph.node(0).shape[0]});
  const auto& input = std::get<Input>(graph.node(0).op);
  const auto low = static_cast<float>(input.lowest), high = static_cast<float>(input.highest);
  for (size_t i = 0; i < frames.f32().size(); ++i) {
    const float value = random_uniform(seed, 99, i);
    frames.f32()[i] = input.events         ? (value < 0.3f ? 1.0f : 0.0f)
                      : input.has_levels() ? std::floor(low + value * (high - low + 1))
                                           : value;
  }
  return frames;
}

struct Result {
  std::vector<uint64_t> bits;  // of all populations by step, and of the logits
  RunStatistics statistics;
  bool operator==(const Result& other) const { return bits == other.bits; }
};

struct Way {
  bool reference = true;
  Schedule schedule = Schedule::kLayerMajor;
  int64_t chunk = 1;
  int threads = 1;
  bool saves = false;  // into a new session after every chunk
  bool whole = false;
};

Result run(const Net& net, const Tensor& frames, const Way& way) {
  const int64_t steps = frames.shape()[0];
  const auto backend = way.reference ? make_reference_backend() : make_cpu_backend();
  const auto plan = compile(net.graph, net.weights, backend,
                            {way.schedule, way.whole ? steps : way.chunk, {}, way.whole});
  auto session = std::make_unique<Session>(plan);
  OpCounter counter(net.graph);
  counter.begin_sample({});
  Result result;
  const int64_t chunk = way.whole ? steps : way.chunk;
  for (int64_t first = 0; first < steps; first += chunk) {
    const int64_t count = std::min(chunk, steps - first);
    session->run_chunk(part_of(frames, first, count), count, way.threads);
    const SpikeChunk out = session->last_chunk();
    counter.chunk(out);
    for (int64_t t = 0; t < out.steps; ++t) {
      for (size_t p = 0; p < out.populations.size(); ++p) {
        const SpikeView view = out.spikes(p, t);
        result.bits.insert(result.bits.end(), view.words,
                           view.words + view.rows * view.row_words());
      }
      const Tensor logits = session->value(*net.graph.find_output("logits"), t);
      for (const float value : logits.f32()) result.bits.push_back(std::bit_cast<uint32_t>(value));
    }
    if (!way.saves) continue;
    const Weights saved = session->save();
    session = std::make_unique<Session>(plan);
    session->load(saved);
  }
  result.statistics = counter.statistics();
  return result;
}

// The network step by step with plain loops over named values.
class Plain {
 public:
  explicit Plain(const Net& net) : net_(net), v_(net.graph.nodes().size()) {}

  // Spikes that arrived at every layer, times its outputs; and levels, whatever they hold.
  std::map<std::string, int64_t> adds, deliveries;

  std::vector<uint64_t> step(std::span<const float> frame) {
    past_.emplace_back(net_.graph.nodes().size());
    for (NodeId id = 0; id < net_.graph.size(); ++id)
      past_.back()[static_cast<size_t>(id)] = value(id, frame);
    std::vector<uint64_t> bits;
    for (const Population& population : populations_of(net_.graph)) {
      const auto& values = past_.back()[static_cast<size_t>(population.node)];
      const Node& node = net_.graph.node(population.node);
      const int64_t planes = std::bit_width(
          static_cast<uint64_t>(std::max(std::abs(node.levels.low), std::abs(node.levels.high))));
      for (int64_t plane = 0; plane < planes + (node.levels.low < 0 ? 1 : 0); ++plane) {
        std::vector<uint64_t> words((values.size() + 63) / 64);
        for (size_t i = 0; i < values.size(); ++i) {
          const auto level = static_cast<int64_t>(values[i]);
          const bool set = plane == planes ? level < 0 : (std::abs(level) >> plane & 1) != 0;
          words[i / 64] |= static_cast<uint64_t>(set) << (i % 64);
        }
        bits.insert(bits.end(), words.begin(), words.end());
      }
    }
    const NodeId head = *net_.graph.find_output("logits");
    for (const float v : past_.back()[static_cast<size_t>(head)])
      bits.push_back(std::bit_cast<uint32_t>(v));
    return bits;
  }

 private:
  const std::vector<float>& read(NodeId id) const { return past_.back()[static_cast<size_t>(id)]; }
  float before(NodeId id, int64_t steps, size_t i) const {
    const auto now = static_cast<int64_t>(past_.size()) - 1;
    return steps > now ? 0.0f : past_[static_cast<size_t>(now - steps)][static_cast<size_t>(id)][i];
  }

  std::vector<float> value(NodeId id, std::span<const float> frame) {
    const Node& node = net_.graph.node(id);
    const auto count = static_cast<size_t>(element_count(node.shape));
    std::vector<float> out(count);
    if (std::holds_alternative<Input>(node.op)) out.assign(frame.begin(), frame.end());
    if (std::holds_alternative<Feedback>(node.op)) {
      for (size_t i = 0; i < count; ++i) out[i] = before(node.feedback, 1, i);
    }
    if (const auto* delay = std::get_if<Delay>(&node.op)) {
      const auto steps = steps_by_element(*delay, net_.weights);
      for (size_t i = 0; i < count; ++i)
        out[i] = before(node.inputs[0], steps.empty() ? delay->steps : steps[i], i);
    }
    if (const auto* linear = std::get_if<Linear>(&node.op)) {
      const auto& x = read(node.inputs[0]);
      const auto w = net_.weights.at(linear->weight).data.f32();
      for (size_t o = 0; o < count; ++o) {
        float acc = 0;
        for (size_t i = 0; i < x.size(); ++i) acc = std::fma(w[o * x.size() + i], x[i], acc);
        out[o] = acc;
      }
      if (is_events(net_.graph.node(node.inputs[0]).kind)) {
        for (const float level : x) {
          adds[node.name] += linear->out_features * static_cast<int64_t>(std::abs(level));
          deliveries[node.name] += level != 0 ? linear->out_features : 0;
        }
      }
    }
    if (std::holds_alternative<Add>(node.op)) {
      for (size_t i = 0; i < count; ++i) out[i] = read(node.inputs[0])[i] + read(node.inputs[1])[i];
    }
    if (const auto found = net_.neurons.find(node.name); found != net_.neurons.end()) {
      auto& v = v_[static_cast<size_t>(id)];
      v.resize(count);
      i_.resize(v_.size());
      i_[static_cast<size_t>(id)].resize(count);
      for (size_t i = 0; i < count; ++i)
        out[i] = step(found->second, read(node.inputs[0])[i], v[i], i_[static_cast<size_t>(id)][i]);
    }
    return out;
  }

  static float step(const PlainNeuron& neuron, float x, float& v, float& i) {
    if (neuron.kind == Kind::kMulti) {
      const float h = v + x, spikes = h > 0 ? std::trunc(h / kThreshold) : 0.0f;
      v = std::max(h - spikes * kThreshold, -kThreshold);
      return spikes;
    }
    if (neuron.kind == Kind::kCuba) x = i = i + neuron.decay * (x - i);
    const float h =
        neuron.kind == Kind::kCuba ? v + neuron.decay * (x - v) : v + (x - v) * neuron.decay;
    const bool fired = h >= kThreshold;
    v = !fired ? h : neuron.soft ? h - kThreshold : 0.0f;
    return fired ? 1.0f : 0.0f;
  }

  const Net& net_;
  std::vector<std::vector<float>> v_, i_;
  std::vector<std::vector<std::vector<float>>> past_;
};

}  // namespace

TEST_CASE("recurrent, delayed and levelled networks: equations, backends, schedules, chunks, saves",
          "[fast]") {
  constexpr int64_t kSteps = 11;
  int64_t with_loops = 0, with_levels = 0, with_states = 0;
  for (uint64_t seed = 0; seed < 200; ++seed) {
    CAPTURE(seed);
    const Net net = RandomNet(seed).make();
    const Tensor frames = frames_for(net.graph, kSteps, seed);
    const auto all = frames.f32();
    const auto width = static_cast<size_t>(net.graph.node(0).shape[0]);
    Plain plain(net);
    Result wanted;
    for (size_t t = 0; t < kSteps; ++t) {
      const auto bits = plain.step(all.subspan(t * width, width));
      wanted.bits.insert(wanted.bits.end(), bits.begin(), bits.end());
    }
    for (const Way& way :
         {Way{}, Way{.chunk = 4}, Way{.schedule = Schedule::kStepMajor, .chunk = 3},
          Way{.reference = false, .chunk = 5}, Way{.reference = false, .chunk = 11, .threads = 2},
          Way{.reference = false, .whole = true},
          Way{.reference = false, .schedule = Schedule::kStepMajor, .chunk = 2, .threads = 2},
          Way{.reference = false, .chunk = 2, .saves = true}, Way{.chunk = 3, .saves = true}}) {
      const Result found = run(net, frames, way);
      CAPTURE(way.reference, way.chunk, way.threads, way.saves, way.whole);
      REQUIRE(found == wanted);
      const OpCounts counts = count_operations(net.graph, found.statistics);
      for (const LayerCount& layer : counts.layers) {
        if (!layer.spike_operand) continue;
        CAPTURE(layer.name);
        CHECK(layer.event_adds == plain.adds[layer.name]);
        CHECK(layer.deliveries == plain.deliveries[layer.name]);
        with_levels += layer.level_operand && layer.event_adds > layer.deliveries;
      }
    }
    for (const auto& [name, neuron] : net.neurons) with_states += neuron.kind == Kind::kCuba;
    with_loops += !compile(net.graph, net.weights, make_cpu_backend(), {})->loops.empty();
  }
  CHECK(with_loops > 80);
  CHECK(with_levels > 80);
  CHECK(with_states > 50);
}

TEST_CASE("recurrent networks in files and in fused form", "[fast]") {
  for (uint64_t seed = 0; seed < 20; ++seed) {
    const Net net = RandomNet(seed).make();
    const Graph again = graph_from_json(graph_to_json(net.graph, &net.weights), "again");
    CHECK(graph_to_json(again, &net.weights) == graph_to_json(net.graph, &net.weights));
    const Model fused = fuse(net.graph, net.weights, 1);
    const Tensor frames = frames_for(net.graph, 6, seed);
    CHECK(run({again, net.weights, {}}, frames, {}) == run(net, frames, {}));
    CHECK(run({fused.graph, fused.weights, {}}, frames, {}) == run(net, frames, {}));
  }
}

TEST_CASE("feedback that cannot be closed or run", "[fast]") {
  Graph graph;
  const NodeId in = graph.add("in", Input{{4}, false});
  const NodeId still = graph.add("still", Input{{4}, true});
  const NodeId back = graph.add("back", Feedback{{4}, false});
  CHECK_THROWS_WITH(graph.close(in, back), Catch::Contains("in is no open feedback"));
  CHECK_THROWS_WITH(graph.close(back, still), Catch::Contains("equal at every step"));
  CHECK_THROWS_WITH(graph.close(back, back), Catch::Contains("shows itself"));
  const NodeId other = graph.add("other", Feedback{{4}, false});
  const NodeId seen = graph.add("seen", View{{4}}, {back});
  CHECK_THROWS_WITH(graph.close(back, seen), Catch::Contains("shows itself"));
  graph.close(other, seen);
  CHECK_THROWS_WITH(graph.close(back, other), Catch::Contains("back shows itself"));
  const NodeId wide = graph.add("wide", Linear{4, 5, 0, "w", ""}, {in});
  CHECK_THROWS_WITH(graph.close(back, wide),
                    Catch::Contains("back shows real [4], but wide has real [5]"));
  CHECK_THROWS_WITH(compile(graph, Weights(), make_reference_backend(), {}),
                    Catch::Contains("back: a feedback that shows no node"));
  // A loop that would have to see its own future.
  Graph ahead;
  const NodeId x = ahead.add("x", Input{{4}, false});
  const NodeId loop = ahead.add("loop", Feedback{{4}, false});
  const NodeId sum = ahead.add("sum", Add{}, {x, loop});
  ahead.close(loop, ahead.add("conv", Conv1d{4, 4, 1, 1, "c", ""}, {sum}));
  CHECK_THROWS_WITH(delays_of(ahead), Catch::Contains("looks ahead inside a loop of feedback"));
}

TEST_CASE("levels that are not within their range end a run", "[fast]") {
  Graph graph;
  const NodeId in = graph.add("in", Input{{2}, false});
  NeuronSpec spec = neuron("IF");
  spec.rules.reset = Reset::kMulti;
  graph.output("logits", graph.add("many", Neuron{spec}, {in}));
  Session session(compile(graph, Weights(), make_cpu_backend(), {Schedule::kLayerMajor, 2, {}}));
  Tensor frames({2, 2});
  std::fill(frames.f32().begin(), frames.f32().end(), 3e4f);
  session.run_chunk(frames, 2, 1);
  CHECK(session.last_chunk().spikes(0, 1).rows == 16);
  frames.f32()[3] = 1e5f;
  CHECK_THROWS_WITH(
      session.run_chunk(frames, 2, 1),
      Catch::Contains("many: a level at step 3 is not a whole number from 0 to 65535"));
  frames.f32()[3] = std::numeric_limits<float>::infinity();
  session.reset();
  CHECK_THROWS_WITH(session.run_chunk(frames, 2, 1), Catch::Contains("many: a level at step 1"));

  Graph framed;
  framed.output("logits", framed.add("w", Linear{2, 1, 0, "w", ""},
                                     {framed.add("in", Input{{2}, false, 0, false, -1, 3})}));
  Weights weights;
  weights.add("w", Tensor({1, 2}));
  Session reads(compile(framed, weights, make_cpu_backend(), {Schedule::kLayerMajor, 2, {}}));
  for (const float bad : {-2.0f, 4.0f, 0.5f, std::nanf("")}) {
    std::fill(frames.f32().begin(), frames.f32().end(), 3.0f);
    frames.f32()[2] = bad;
    CHECK_THROWS_WITH(reads.run_chunk(frames, 2, 1),
                      Catch::Contains("an input of levels from -1 to 3 holds"));
  }
}

TEST_CASE("sums of spikes say how far they go", "[fast]") {
  Graph graph;
  const NodeId a = graph.add("a", Input{{4, 4, 3}, false, 0, true});
  const NodeId two = graph.add("two", Add{}, {a, a});
  const NodeId many = graph.add("many", Pool2d{PoolMode::kSum, 2, 2}, {two});
  const NodeId flat = graph.add("flat", Flatten{}, {many});
  CHECK(graph.node(flat).kind == EdgeKind::kLevels);
  CHECK(graph.node(flat).levels == LevelRange{0, 8});
  CHECK(graph.node(flat).levels.planes() == 4);
  CHECK(graph.node(graph.add("most", Pool2d{PoolMode::kMax, 2, 2}, {two})).levels ==
        LevelRange{0, 2});
  CHECK(graph.node(graph.add("mean", Pool2d{PoolMode::kAverage, 2, 2}, {two})).kind ==
        EdgeKind::kReal);
  const NodeId signs = graph.add("signs", Input{{4, 4, 3}, false, 0, false, -3, 0});
  const NodeId sum = graph.add("sum", Add{}, {signs, two});
  CHECK(graph.node(sum).levels == LevelRange{-3, 2});
  CHECK(graph.node(sum).levels.planes() == 3);
  const NodeId back = graph.add("back", Feedback{{4, 4, 3}, false, -3, 1});
  CHECK_THROWS_WITH(graph.close(back, sum), Catch::Contains("shows levels from -3 to 1, but sum "
                                                            "has -3 to 2"));
  CHECK_THROWS_WITH(graph.add("far", Input{{1}, false, 0, false, 0, int64_t{1} << 23}),
                    Catch::Contains("exceed 8388607"));
  CHECK_THROWS_WITH(graph.add("q", KtV{1}, {two, two}), Catch::Contains("must be spikes"));
}

TEST_CASE("a network of several inputs is one of a joined input", "[fast]") {
  constexpr int64_t kSteps = 9;
  for (const bool repeated : {false, true}) {
    // fc(a, b) = wa a + wb b, with spikes in b; behind it neurons that see themselves.
    Graph two;
    const NodeId a = two.add("a", Input{{4}, repeated});
    const NodeId b = two.add("b", Input{{6}, false, 0, true});
    const NodeId sum = two.add("sum", Add{},
                               {two.add("wa", Linear{4, 5, 0, "wa", ""}, {a}),
                                two.add("wb", Linear{6, 5, 0, "wb", ""}, {b})});
    two.output("logits", two.add("lif", Neuron{lif(2.0f, kThreshold)}, {sum}));
    Graph one;
    const NodeId in = one.add("in", Input{{5}, false});
    one.output("logits", one.add("lif", Neuron{lif(2.0f, kThreshold)}, {in}));
    const Weights weights = arrays_of(two, 5, 0.7f);
    Tensor left({repeated ? 1 : kSteps, 4}), right({kSteps, 6}), joined({kSteps, 5});
    for (size_t i = 0; i < left.f32().size(); ++i) left.f32()[i] = random_uniform(1, 2, i);
    for (size_t i = 0; i < right.f32().size(); ++i)
      right.f32()[i] = random_uniform(1, 3, i) < 0.4f ? 1.0f : 0.0f;
    const auto product = [](std::span<const float> w, const float* x, int64_t count, size_t row) {
      float acc = 0;
      for (int64_t i = 0; i < count; ++i)
        acc = std::fma(w[row * static_cast<size_t>(count) + static_cast<size_t>(i)], x[i], acc);
      return acc;
    };
    for (int64_t t = 0; t < kSteps; ++t) {
      for (size_t o = 0; o < 5; ++o) {
        const float* from = left.f32().data() + (repeated ? 0 : t * 4);
        joined.f32()[static_cast<size_t>(t) * 5 + o] =
            product(weights.at("wa").data.f32(), from, 4, o) +
            product(weights.at("wb").data.f32(), right.f32().data() + t * 6, 6, o);
      }
    }
    const auto spikes = [](Session& session) {
      std::vector<float> all;
      for (int64_t t = 0; t < session.last_chunk().steps; ++t) {
        const Tensor value = session.value(*session.plan().graph.find("lif"), t);
        all.insert(all.end(), value.f32().begin(), value.f32().end());
      }
      return all;
    };
    for (const bool reference : {true, false}) {
      const auto backend = reference ? make_reference_backend() : make_cpu_backend();
      Session wanted(compile(one, Weights(), backend, {Schedule::kLayerMajor, kSteps, {}}));
      wanted.run_chunk(joined, kSteps, 1);
      for (const int64_t chunk : {int64_t{1}, int64_t{4}, kSteps}) {
        Session session(compile(two, weights, backend, {Schedule::kLayerMajor, chunk, {}}));
        std::vector<float> found;
        for (int64_t first = 0; first < kSteps; first += chunk) {
          const int64_t count = std::min(chunk, kSteps - first);
          const Tensor x = part_of(left, repeated ? 0 : first, repeated ? 1 : count),
                       y = part_of(right, first, count);
          const Tensor* const frames[] = {&x, &y};
          session.run_chunk(frames, count, 1);
          const auto part = spikes(session);
          found.insert(found.end(), part.begin(), part.end());
        }
        CHECK(found == spikes(wanted));
      }
    }
    Session session(compile(two, weights, make_cpu_backend(), {Schedule::kLayerMajor, 9, {}}));
    CHECK_THROWS_WITH(session.run_chunk(right, kSteps, 1),
                      Catch::Contains("2 inputs, frames were given for 1"));
    const Tensor* const twice[] = {&right, &right};
    CHECK_THROWS_WITH(session.run_chunk(twice, kSteps, 1), Catch::Contains("input a has shape"));
  }
}
