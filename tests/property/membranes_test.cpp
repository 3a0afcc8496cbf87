// Membranes that are read back are those the state holds behind every step, in every schedule,
// chunking, backend and thread count, and reading them changes nothing.

#include <vector>

#include "core/error.hpp"
#include "core/rng.hpp"
#include "models/lmuformer/lmuformer.hpp"
#include "models/spikeformer/spikeformer.hpp"
#include "models/spikegpt/spikegpt.hpp"
#include "sim/backends/cpu/cpu.hpp"
#include "sim/backends/reference/reference.hpp"
#include "sim/graph/random_weights.hpp"
#include "sim/plan/session.hpp"
#include "tests/catch.hpp"

using namespace spikeloom;

namespace {

struct Case {
  Graph graph;
  Weights weights;
  Tensor frames;  // [1, ...] repeated or [steps, ...]
  int64_t steps = 6;
};

Tensor random_values(const Shape& shape, uint64_t seed, float most) {
  Tensor result(shape);
  uint64_t index = 0;
  for (float& value : result.f32()) value = most * random_uniform(seed, 0, index++);
  return result;
}

Case images() {
  SpikeformerConfig config;
  config.embed_dim = {18, 20, 24, 40};
  config.num_heads = 4;
  config.num_classes = 7;
  config.in_channels = 2;
  config.height = 21;
  config.width = 34;
  config.depths = {1, 1, 1, 1, 1};
  config.strides = {1, 2, 2, 2, 1};
  Case result{build_spikeformer(config), {}, random_values({1, 21, 34, 2}, 5, 4), 6};
  result.weights = random_weights(result.graph, 3);
  return result;
}

Case sounds() {
  LmuformerConfig config;
  config.seq_len = 24;
  config.in_channels = 6;
  config.dim = 12;
  Case result{build_lmuformer(config), {}, random_values({24, config.in_channels}, 6, 3), 24};
  result.weights = random_weights(result.graph, 3);
  return result;
}

Case tokens() {
  SpikeGptConfig config;
  config.layers = 2;
  config.width = 32;
  config.vocabulary = 50;
  Case result{build_spikegpt(config), {}, random_values({20, 1}, 7, 49), 20};
  for (float& id : result.frames.f32()) id = static_cast<float>(static_cast<int>(id));
  result.weights = random_weights(result.graph, 3);
  return result;
}

std::vector<std::string> neurons_of(const Graph& graph) {
  std::vector<std::string> names;
  for (const Node& node : graph.nodes()) {
    if (std::holds_alternative<Neuron>(node.op)) names.push_back(node.name);
  }
  return names;
}

// Values by neuron, steps one after the other, and the logits of every step.
struct Record {
  std::vector<std::vector<float>> membranes;
  std::vector<float> logits;
  bool operator==(const Record&) const = default;
};

void append(std::vector<float>& to, const Tensor& values) {
  to.insert(to.end(), values.f32().begin(), values.f32().end());
}

Record run(const Case& c, std::shared_ptr<const Backend> backend, PlanOptions options,
           int64_t chunk, int threads) {
  const auto names = neurons_of(c.graph);
  const bool watches = !options.membranes.empty();
  Session session(compile(c.graph, c.weights, std::move(backend), options));
  const bool repeated = c.graph.node(0).is_static;
  const NodeId logits = *c.graph.find_output("logits");
  const int64_t ticks = c.steps + session.plan().look_ahead;
  Record record{std::vector<std::vector<float>>(watches ? names.size() : 0), {}};
  for (int64_t tick = 0; tick < ticks; tick += chunk) {
    const int64_t length = std::min(chunk, ticks - tick);
    const int64_t steps = std::clamp<int64_t>(c.steps - tick, 0, length);
    const Tensor frames = steps == 0 ? Tensor()
                          : repeated ? clone(c.frames)
                                     : part_of(c.frames, tick, steps);
    session.run_chunk(frames, steps, threads, length - steps);
    for (int64_t t = 0; t < session.last_chunk().steps; ++t) {
      for (size_t n = 0; watches && n < names.size(); ++n)
        append(record.membranes[n], session.membrane(*c.graph.find(names[n]), t));
      append(record.logits, session.value(logits, t));
    }
  }
  return record;
}

}  // namespace

TEST_CASE("membranes are the same in every schedule, chunking, backend and thread count") {
  const int which = GENERATE(0, 1, 2);
  const Case c = which == 0 ? images() : which == 1 ? sounds() : tokens();
  const auto names = neurons_of(c.graph);
  REQUIRE(names.size() > 3);
  PlanOptions options{Schedule::kStepMajor, 1, {}};
  options.membranes = names;
  const Record expected = run(c, make_reference_backend(), options, 1, 1);
  for (const Schedule schedule : {Schedule::kLayerMajor, Schedule::kStepMajor}) {
    for (const int64_t chunk : {int64_t{1}, int64_t{4}, int64_t{40}}) {
      INFO("case " << which << ", schedule " << static_cast<int>(schedule) << ", chunk " << chunk);
      options.schedule = schedule;
      options.chunk_steps = chunk;
      CHECK(run(c, make_cpu_backend(), options, chunk, 2) == expected);
      options.whole_samples = chunk == 40;
      CHECK(run(c, make_reference_backend(), options, chunk, 1) == expected);
      CHECK(run(c, make_cpu_backend(), options, chunk, 1) == expected);
      options.whole_samples = false;
    }
  }
  PlanOptions silent{Schedule::kLayerMajor, 40, {}};
  CHECK(run(c, make_cpu_backend(), silent, 40, 1).logits == expected.logits);
}

TEST_CASE("membranes are what the state holds behind every step") {
  const int which = GENERATE(0, 2);  // without look-ahead: the state is that of the step shown
  const Case c = which == 0 ? images() : tokens();
  const auto names = neurons_of(c.graph);
  PlanOptions options{Schedule::kStepMajor, 1, {}};
  const auto plain = compile(c.graph, c.weights, make_cpu_backend(), options);
  options.membranes = names;
  Session watched(compile(c.graph, c.weights, make_cpu_backend(), options)), session(plain);
  int64_t fired = 0;
  for (int64_t t = 0; t < c.steps; ++t) {
    const Tensor frame = c.graph.node(0).is_static ? clone(c.frames) : part_of(c.frames, t, 1);
    watched.run_chunk(frame, 1, 1);
    session.run_chunk(frame, 1, 1);
    const Weights state = session.save();
    for (const std::string& name : names) {
      const Tensor& v = state.at(name + "/v").data;
      const NodeId node = *c.graph.find(name);
      const Tensor got = watched.membrane(node, 0), spikes = watched.value(node, 0);
      INFO(name << " at step " << t);
      REQUIRE(std::equal(got.f32().begin(), got.f32().end(), v.f32().begin(), v.f32().end()));
      for (size_t i = 0; i < got.f32().size(); ++i) {
        if (spikes.f32()[i] == 0) continue;
        ++fired;
        CHECK(got.f32()[i] == 0);  // hard reset, done
      }
    }
  }
  CHECK(fired > 100);
  // A copy of a session shows the same; what is not kept is refused.
  const Session copied(watched);
  const NodeId first = *c.graph.find(names[0]);
  const Tensor a = copied.membrane(first, 0), b = watched.membrane(first, 0);
  CHECK(std::equal(a.f32().begin(), a.f32().end(), b.f32().begin()));
  CHECK_THROWS_AS(watched.membrane(first, 1), Error);
  CHECK_THROWS_AS(session.membrane(first, 0), Error);
  options.membranes = {"nobody"};
  CHECK_THROWS_AS(compile(c.graph, c.weights, make_cpu_backend(), options), Error);
  options.membranes = {c.graph.node(0).name};
  CHECK_THROWS_AS(compile(c.graph, c.weights, make_cpu_backend(), options), Error);
}
