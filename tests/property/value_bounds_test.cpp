// No value of a network exceeds the bound that its weights give; what has none is found in the run.

#include "sim/graph/value_bounds.hpp"

#include <algorithm>
#include <cmath>

#include "core/error.hpp"
#include "core/rng.hpp"
#include "models/ann/gpt.hpp"
#include "models/ann/kwt.hpp"
#include "models/ann/rwkv4.hpp"
#include "models/dense_twin.hpp"
#include "models/lmuformer/lmuformer.hpp"
#include "models/spikegpt/spikegpt.hpp"
#include "sim/backends/cpu/cpu.hpp"
#include "sim/backends/reference/reference.hpp"
#include "sim/counts/finite_watch.hpp"
#include "sim/graph/fuse.hpp"
#include "sim/graph/random_weights.hpp"
#include "tests/catch.hpp"
#include "tests/small_spikeformer.hpp"

using namespace spikeloom;

namespace {

constexpr int64_t kSteps = 3;

LmuformerConfig small_lmuformer(bool spiking) {
  LmuformerConfig config = lmuformer_preset("speech_commands");
  config.spiking = spiking;
  config.seq_len = 12;
  config.theta = 12;
  config.dim = 16;
  config.memory_size = 8;
  config.in_channels = 6;
  config.num_classes = 3;
  return config;
}

// Convolutions and pools of every mode, none behind neurons.
Graph maps_of_values() {
  Graph graph;
  const NodeId in = graph.add("in", Input{{7, 6, 2}, false});
  const NodeId conv =
      graph.add("conv", Conv2d{2, 3, {3, 2}, 1, 0, 1, "conv.w", "conv.b", 2, true}, {in});
  const NodeId sum = graph.add("sum", Pool2d{PoolMode::kSum, {3, 2}, 1, {1, 0}}, {conv});
  const NodeId wider = graph.add("wider", Scale{1.0f, "wider.factors", {3}}, {sum});
  const NodeId average = graph.add("average", Pool2d{PoolMode::kAverage, 2}, {wider});
  const NodeId most = graph.add("max", Pool2d{PoolMode::kMax, 3, 2, 1}, {average});
  graph.output("logits", graph.add("flat", Flatten{}, {most}));
  return graph;
}

Tensor random_input(const Node& input, int64_t steps, float size) {
  Shape shape = input.shape;
  shape.insert(shape.begin(), input.is_static ? 1 : steps);
  Tensor frames(shape);
  const int64_t vocabulary = std::get<Input>(input.op).vocabulary;
  uint64_t i = 0;
  for (float& value : frames.f32()) {
    const float random = random_uniform(5, 0, i++);
    value = vocabulary > 0 ? std::floor(random * static_cast<float>(vocabulary))
                           : size * (2 * random - 1);
  }
  return frames;
}

// The largest magnitude of every real node over a run, against its bound.
void check_bounds(const Graph& graph, const Weights& weights, float size) {
  const int64_t steps = std::max<int64_t>(kSteps, 12);
  const auto bounds = value_bounds(graph, value_gains(graph, weights), size, steps);
  int64_t ahead = 0;
  PlanOptions options{Schedule::kLayerMajor, steps + 16, FiniteWatch::watched(graph)};
  Session session(compile(graph, weights, make_reference_backend(), options));
  ahead = session.plan().look_ahead;
  session.run_chunk(random_input(graph.node(0), steps, size), steps, 1, ahead);
  for (NodeId id = 1; id < graph.size(); ++id) {
    const Node& node = graph.node(id);
    if (node.kind != EdgeKind::kReal) continue;
    double most = 0;
    for (int64_t t = 0; t < session.last_chunk().steps; ++t) {
      const Tensor values = session.value(id, t);
      for (const float value : values.f32())
        most = std::max(most, std::abs(static_cast<double>(value)));
    }
    INFO(node.name << " (" << describe(node.op) << ")");
    CHECK(most <= bounds[static_cast<size_t>(id)] * (1 + 1e-5));
  }
  CHECK(session.not_finite_state() == "");
}

// Weights of no particular size: some layers large, some small.
Weights uneven_weights(const Graph& graph, uint64_t seed) {
  Weights weights = random_weights(graph, seed), result;
  uint64_t i = 0;
  for (const std::string& name : weights.names()) {
    Tensor values = clone(weights.at(name).data);
    const float factor = std::exp2(6 * random_uniform(seed, 1, i++) - 2);
    for (float& value : values.f32()) value *= factor;
    result.add(name, std::move(values));
  }
  return result;
}

// With one weight, or all of a convolution, as large as can be.
Model overflowing() {
  Model model{build_spikeformer(small_spikeformer()), {}};
  Weights weights = random_weights(model.graph, 3);
  for (const std::string& name : weights.names()) {
    Tensor values = clone(weights.at(name).data);
    if (name == "ConvBlock2_1.0.conv1.weight") {
      for (float& value : values.f32()) value = 3e38f;
    }
    model.weights.add(name, std::move(values));
  }
  return model;
}

}  // namespace

TEST_CASE("values stay below their bounds", "[value_bounds]") {
  SpikeformerConfig frames = small_spikeformer();
  frames.static_input = false;
  SpikeGptConfig gpt;
  gpt.layers = 2, gpt.width = 16, gpt.vocabulary = 40;
  KwtConfig kwt = kwt_preset("KWT-1");
  kwt.frames = 9, kwt.in_channels = 5, kwt.dim = 8, kwt.heads = 2, kwt.layers = 2, kwt.mlp = 16;
  const Graph spiking = build_spikeformer(small_spikeformer());
  for (const Graph& graph :
       {spiking, build_spikeformer(frames), fuse(spiking), dense_twin(spiking),
        build_lmuformer(small_lmuformer(true)), build_lmuformer(small_lmuformer(false)),
        build_spikegpt(gpt), build_rwkv4(gpt), build_gpt({2, 16, 40, 2, 12}), build_kwt(kwt),
        maps_of_values()}) {
    for (const uint64_t seed : {1, 2, 3}) {
      for (const float size : {1.0f, 1000.0f})
        check_bounds(graph, uneven_weights(graph, seed), size);
    }
  }
}

TEST_CASE("spiking networks of ordinary weights cannot leave fp32, whatever they read",
          "[value_bounds]") {
  for (const Graph& graph :
       {build_spikeformer(small_spikeformer()), build_lmuformer(small_lmuformer(true))}) {
    CHECK(hides_values(graph));
    CHECK(safe_input(graph, value_gains(graph, random_weights(graph, 1)), 1024) >= 1e12);
  }
  CHECK_FALSE(hides_values(build_lmuformer(small_lmuformer(false))));
}

TEST_CASE("sums that may overflow are known, and found where they do", "[value_bounds]") {
  const Model model = overflowing();
  CHECK(safe_input(model.graph, value_gains(model.graph, model.weights), 4) == 0);
  for (const auto& backend : {make_reference_backend(), make_cpu_backend()}) {
    PlanOptions options{Schedule::kLayerMajor, 4, FiniteWatch::watched(model.graph), true};
    Session session(compile(model.graph, model.weights, backend, options));
    session.run_chunk(random_input(model.graph.node(0), 4, 3), 4, 1);
    CHECK(FiniteWatch::find(session) == "ConvBlock2_1.0.conv1");
    session.reset();
    Session fine(compile(model.graph, random_weights(model.graph, 3), backend, options));
    fine.run_chunk(random_input(model.graph.node(0), 4, 3), 4, 1);
    CHECK(FiniteWatch::find(fine) == "");
  }
}

TEST_CASE("state that stays tells of sums that overflowed", "[value_bounds]") {
  Graph graph;
  const NodeId in = graph.add("in", Input{{2}, false});
  const NodeId sum = graph.add("sum", Linear{2, 3, 0, "w", ""}, {in});
  graph.output("logits", graph.add("neurons", Neuron{}, {sum}));
  Weights weights;
  Tensor w({3, 2});
  std::fill(w.f32().begin(), w.f32().end(), -3e38f);
  weights.add("w", std::move(w));
  for (const auto& backend : {make_reference_backend(), make_cpu_backend()}) {
    Session session(compile(graph, weights, backend, {Schedule::kStepMajor, 1, {}}));
    Tensor frame({1, 2});
    session.run_chunk(frame, 1, 1);
    CHECK(session.not_finite_state() == "");
    std::fill(frame.f32().begin(), frame.f32().end(), 1.0f);
    session.run_chunk(frame, 1, 1);  // never fires again, and the output is 0 like any other
    CHECK(session.not_finite_state() == "neurons");
  }
}

TEST_CASE("weights and scales that are no numbers are named", "[value_bounds]") {
  const Graph graph = build_spikeformer(small_spikeformer());
  const auto with = [&](const std::string& changed, float number) {
    Weights result;
    const Weights weights = random_weights(graph, 1);
    for (const std::string& name : weights.names()) {
      Tensor values = clone(weights.at(name).data);
      if (name == changed) values.f32()[1] = number;
      if (name.ends_with(".running_var") && number < 0) values.f32()[1] = 0.25f;
      result.add(name, std::move(values));
    }
    return result;
  };
  CHECK_THROWS_WITH(value_gains(graph, with("head.weight", std::nanf(""))),
                    Catch::Contains("head.weight"));
  CHECK_THROWS_WITH(value_gains(graph, with("head.bias", INFINITY)), Catch::Contains("head.bias"));
  const std::string norm = "ConvBlock1_1.0.bn1";
  CHECK_THROWS_WITH(value_gains(graph, with(norm + ".weight", -3.4e38f)),
                    Catch::Contains(norm) && Catch::Contains("channel 1"));
  CHECK_NOTHROW(value_gains(graph, with(norm + ".running_var", 0)));
  CHECK_NOTHROW(value_gains(graph, with(norm + ".running_var", 1e-44f)));
}
