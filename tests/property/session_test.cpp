// However a run is cut, scheduled, cloned, saved or executed, its bits are the same.

#include <vector>

#include "core/error.hpp"
#include "core/rng.hpp"
#include "models/dense_twin.hpp"
#include "models/spikeformer/spikeformer.hpp"
#include "sim/backends/cpu/cpu.hpp"
#include "sim/backends/reference/reference.hpp"
#include "sim/graph/random_weights.hpp"
#include "sim/plan/session.hpp"
#include "tests/catch.hpp"

using namespace spikeloom;

namespace {

SpikeformerConfig odd_config(bool static_input) {
  SpikeformerConfig config;
  config.embed_dim = {18, 20, 24, 40};
  config.num_heads = 4;
  config.num_classes = 7;
  config.in_channels = 2;
  config.height = 21;
  config.width = 34;
  config.depths = {1, 1, 2, 1, 1};
  config.strides = {1, 2, 2, 2, 1};
  config.kd = true;
  config.static_input = static_input;
  return config;
}

Tensor random_frames(int64_t frames, const SpikeformerConfig& config, uint64_t seed) {
  Tensor result({frames, config.height, config.width, config.in_channels});
  uint64_t index = 0;
  for (float& value : result.f32()) value = 4.0f * random_uniform(seed, 0, index++) - 2.0f;
  return result;
}

// Every spike word of a sample, in order of populations and steps, then the bits of the logits.
struct Record {
  std::vector<std::vector<uint64_t>> spikes;
  std::vector<float> logits;
  bool operator==(const Record&) const = default;
};

void append(Record& record, const Session& session) {
  const SpikeChunk chunk = session.last_chunk();
  record.spikes.resize(chunk.populations.size());
  for (size_t p = 0; p < chunk.populations.size(); ++p) {
    for (int64_t t = 0; t < chunk.steps; ++t) {
      const SpikeView view = chunk.spikes(p, t);
      record.spikes[p].insert(record.spikes[p].end(), view.words,
                              view.words + view.rows * view.row_words());
    }
  }
  const NodeId node = *session.plan().graph.find_output("logits");
  const Tensor logits = session.value(node, chunk.steps - 1);
  record.logits.assign(logits.f32().begin(), logits.f32().end());
}

// Runs chunks of the given lengths; `between` may replace the session.
template <typename F>
Record run(std::unique_ptr<Session> session, const Tensor& frames,
           const std::vector<int64_t>& chunks, int threads, F between) {
  const bool repeated = session->plan().graph.node(0).is_static;
  Record record;
  int64_t done = 0;
  for (const int64_t steps : chunks) {
    session->run_chunk(repeated ? clone(frames) : part_of(frames, done, steps), steps, threads);
    append(record, *session);
    done += steps;
    between(session);
  }
  return record;
}

Record run(const std::shared_ptr<const Plan>& plan, const Tensor& frames,
           const std::vector<int64_t>& chunks, int threads = 1) {
  return run(std::make_unique<Session>(plan), frames, chunks, threads, [](auto&) {});
}

// The second of two samples, in one chunk each: what the first left behind must not show.
Record run_second(const std::shared_ptr<const Plan>& plan, const Tensor& frames, int64_t steps) {
  auto session = std::make_unique<Session>(plan);
  session->run_chunk(frames, steps, 1);
  session->reset();
  return run(std::move(session), frames, {steps}, 1, [](auto&) {});
}

int64_t spike_count(const Record& record) {
  int64_t sum = 0;
  for (const auto& words : record.spikes) {
    for (const uint64_t word : words) sum += std::popcount(word);
  }
  return sum;
}

constexpr int64_t kSteps = 6;

}  // namespace

TEST_CASE("kept values of every step are the same in both schedules") {
  const SpikeformerConfig config = odd_config(true);
  const Graph graph = build_spikeformer(config);
  const Weights weights = random_weights(graph, 3);
  const Tensor frames = random_frames(1, config, 5);
  std::vector<std::string> names;
  for (const Node& node : graph.nodes()) names.push_back(node.name);
  std::vector<std::unique_ptr<Session>> sessions;
  for (const Schedule schedule : {Schedule::kLayerMajor, Schedule::kStepMajor}) {
    sessions.push_back(std::make_unique<Session>(
        compile(graph, weights, make_cpu_backend(), {schedule, kSteps, names})));
    sessions.back()->run_chunk(frames, kSteps, 1);
  }
  for (NodeId id = 0; id < graph.size(); ++id) {
    for (int64_t t = 0; t < kSteps; ++t) {
      const Tensor a = sessions[0]->value(id, t), b = sessions[1]->value(id, t);
      INFO(graph.node(id).name << " at step " << t);
      CHECK(std::equal(a.f32().begin(), a.f32().end(), b.f32().begin()));
    }
  }
}

TEST_CASE("schedules, chunk splits, threads, cloning and saving give the same bits") {
  const bool static_input = GENERATE(true, false);
  const SpikeformerConfig config = odd_config(static_input);
  const Graph graph = build_spikeformer(config);
  const Weights weights = random_weights(graph, 3);
  const Tensor frames = random_frames(static_input ? 1 : kSteps, config, 5);
  const auto backend = make_cpu_backend();
  const auto plan = [&](Schedule schedule) {
    return compile(graph, weights, backend, {schedule, kSteps, {}});
  };
  const auto layer_major = plan(Schedule::kLayerMajor), step_major = plan(Schedule::kStepMajor);
  const Record expected = run(layer_major, frames, {6});
  REQUIRE(spike_count(expected) > 5000);

  CHECK(run(step_major, frames, {6}) == expected);
  CHECK(run(layer_major, frames, {6}, 3) == expected);
  for (const auto& chunks :
       std::vector<std::vector<int64_t>>{{1, 1, 1, 1, 1, 1}, {2, 4}, {5, 1}, {3, 2, 1}}) {
    CHECK(run(layer_major, frames, chunks) == expected);
    CHECK(run(step_major, frames, chunks) == expected);
  }
  const auto whole = compile(graph, weights, backend, {Schedule::kLayerMajor, kSteps, {}, true});
  CHECK(whole->state_floats < layer_major->state_floats / 4);
  CHECK(run(whole, frames, {6}) == expected);
  CHECK(run(whole, frames, {6}, 3) == expected);
  CHECK(run_second(whole, frames, 6) == expected);
  CHECK_THROWS_AS(run(whole, frames, {3, 3}), Error);
  CHECK_THROWS_AS(Session(whole).save(), Error);
  CHECK_THROWS_AS(Session(whole).load(Session(layer_major).save()), Error);
  const auto cloning = [](std::unique_ptr<Session>& session) {
    session = std::make_unique<Session>(*session);
  };
  CHECK(run(std::make_unique<Session>(layer_major), frames, {2, 3, 1}, 1, cloning) == expected);
  const auto saving = [&](std::unique_ptr<Session>& session) {
    auto next = std::make_unique<Session>(step_major);  // state moves between schedules, too
    next->load(session->save());
    session = std::move(next);
  };
  CHECK(run(std::make_unique<Session>(layer_major), frames, {1, 3, 2}, 1, saving) == expected);
  CHECK(run_second(layer_major, frames, 6) == expected);
  const auto reset = std::make_unique<Session>(layer_major);
  reset->run_chunk(frames, kSteps, 1);
  reset->reset();
  CHECK(reset->steps_done() == 0);
  CHECK(run(std::make_unique<Session>(*reset), frames, {6}, 1, [](auto&) {}) == expected);
}

TEST_CASE(
    "the cpu backend equals the reference on an odd network, every SIMD target, both schedules") {
  const SpikeformerConfig config = odd_config(true);
  const Graph graph = build_spikeformer(config);
  const Weights weights = random_weights(graph, 11);
  const Tensor frames = random_frames(1, config, 12);
  const Record expected =
      run(compile(graph, weights, make_reference_backend(), {Schedule::kLayerMajor, 3, {}}), frames,
          {3});
  CHECK(run_second(
            compile(graph, weights, make_reference_backend(), {Schedule::kLayerMajor, 3, {}, true}),
            frames, 3) == expected);
  for (const std::string& simd : cpu_simd_targets()) {
    for (const Schedule schedule : {Schedule::kLayerMajor, Schedule::kStepMajor}) {
      INFO(simd);
      CHECK(run(compile(graph, weights, make_cpu_backend(simd), {schedule, 3, {}}), frames, {3},
                2) == expected);
    }
  }
}

TEST_CASE("the cpu backend equals the reference on random weights of all published sizes") {
  for (const SpikeformerPreset& preset : spikeformer_presets()) {
    INFO(preset.name);
    SpikeformerConfig config = spikeformer_preset(preset.name);
    config.height = config.width = 32;
    const Graph graph = build_spikeformer(config);
    const Weights weights = random_weights(graph, 1);
    const Tensor frames = random_frames(1, config, 2);
    const PlanOptions options{Schedule::kLayerMajor, 2, {}};
    const Record expected =
        run(compile(graph, weights, make_reference_backend(), options), frames, {2});
    CHECK(spike_count(expected) > 10000);
    CHECK(run(compile(graph, weights, make_cpu_backend(), options), frames, {2}, 2) == expected);
  }
}

TEST_CASE("the dense twin's cpu logits agree with the reference within NMSE 1e-7") {
  const SpikeformerConfig config = odd_config(true);
  const Graph twin = dense_twin(build_spikeformer(config));
  const Weights weights = random_weights(twin, 4);
  const Tensor frames = random_frames(1, config, 6);
  const PlanOptions options{Schedule::kLayerMajor, 1, {}};
  const Record expected =
      run(compile(twin, weights, make_reference_backend(), options), frames, {1});
  const Record got = run(compile(twin, weights, make_cpu_backend(), options), frames, {1});
  double error = 0, power = 0;
  for (size_t i = 0; i < expected.logits.size(); ++i) {
    error +=
        std::pow(static_cast<double>(got.logits[i]) - static_cast<double>(expected.logits[i]), 2);
    power += std::pow(static_cast<double>(expected.logits[i]), 2);
  }
  CHECK(power > 0);
  CHECK(error <= 1e-7 * power);
}

TEST_CASE("a saved session of another network, or with damaged tensors, is refused") {
  const SpikeformerConfig config = odd_config(true);
  const Graph graph = build_spikeformer(config);
  const auto plan =
      compile(graph, random_weights(graph, 3), make_cpu_backend(), {Schedule::kLayerMajor, 1, {}});
  Session session(plan);
  CHECK_THROWS_AS(session.load({}), Error);
  Weights saved = session.save();
  saved.erase("lif/v");
  CHECK_THROWS_AS(session.load(saved), Error);
  saved.add("lif/v", Tensor({41}));
  CHECK_THROWS_WITH(session.load(saved), Catch::Contains("lif/v"));
  CHECK_THROWS_WITH(session.run_chunk(Tensor({1, 3, 3, 2}), 1, 1),
                    Catch::Contains("expects [1, 21, 34, 2]"));
}

TEST_CASE("a static branch that stands behind neurons keeps its value", "[property]") {
  Graph graph;
  const NodeId x = graph.add("input", Input{{6, 6, 3}});
  const auto conv = [&](const std::string& name, NodeId from) {
    const int64_t in = channels_of(graph.node(from).shape);
    return graph.add(name, Conv2d{in, 20, 3, 1, 1, 1, name + ".weight", ""}, {from});
  };
  const NodeId u = conv("stem", x);
  NodeId y = graph.add("lif1", Neuron{lif(2.0f, 0.1f)}, {u});
  y = graph.add("lif2", Neuron{lif(2.0f, 0.1f)}, {conv("conv", y)});
  const NodeId sum = graph.add("sum", Add{}, {conv("conv2", y), conv("shortcut", u)});
  const NodeId spikes = graph.add("lif3", Neuron{lif(2.0f, 0.1f)}, {sum});
  graph.output("logits", graph.add("logits", SpatialMean{}, {spikes}));
  const Weights weights = random_weights(graph, 3);
  Tensor frame({1, 6, 6, 3});
  uint64_t index = 0;
  for (float& value : frame.f32()) value = 4.0f * random_uniform(5, 0, index++) - 2.0f;
  const auto run = [&](std::shared_ptr<const Backend> backend, Schedule schedule, int64_t chunk) {
    Session session(compile(graph, weights, std::move(backend), {schedule, chunk, {}}));
    Record record;
    for (int64_t done = 0; done < 6; done += chunk) {
      session.run_chunk(frame, chunk, 1);
      append(record, session);
    }
    return record;
  };
  const Record first = run(make_reference_backend(), Schedule::kStepMajor, 1);
  REQUIRE(first.spikes.size() == 3);
  for (const int64_t chunk : {1, 2, 6}) {
    for (const Schedule schedule : {Schedule::kLayerMajor, Schedule::kStepMajor}) {
      CHECK(run(make_reference_backend(), schedule, chunk) == first);
      CHECK(run(make_cpu_backend(), schedule, chunk) == first);
    }
  }
}
