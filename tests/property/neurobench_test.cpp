// NeuroBench's counts: its published test values, brute force by its definition, and the membranes
// a session really has.

#include "sim/trace/neurobench.hpp"
#include "core/rng.hpp"
#include "models/spikeformer/spikeformer.hpp"
#include "sim/backends/cpu/cpu.hpp"
#include "sim/backends/reference/reference.hpp"
#include "sim/graph/random_weights.hpp"
#include "sim/plan/session.hpp"
#include "sim/trace/op_counter.hpp"
#include "tests/catch.hpp"

using namespace spikeloom;

namespace {

Tensor filled(Shape shape, const std::function<float(uint64_t)>& value) {
  Tensor tensor(std::move(shape));
  uint64_t i = 0;
  for (float& element : tensor.f32()) element = value(i++);
  return tensor;
}

struct Counted {
  NeuroBenchCounts counts;
  RunStatistics statistics;
};

// Runs `samples` samples of `steps` equal or different frames, `chunk` steps at a time.
Counted count(const Graph& graph, const Weights& weights, const std::vector<Tensor>& samples,
              int64_t steps, int64_t chunk) {
  const auto plan = compile(graph, weights, make_reference_backend(),
                            {Schedule::kLayerMajor, chunk, NeuroBenchCounter::watched(graph)});
  Session session(plan);
  NeuroBenchCounter counter(graph, weights);
  OpCounter operations(graph);
  for (const Tensor& frames : samples) {
    session.reset();
    counter.begin_sample();
    operations.begin_sample({});
    for (int64_t t = 0; t < steps; t += chunk) {
      Tensor part = clone(frames);
      if (frames.shape()[0] > 1) {
        Shape shape = frames.shape();
        const int64_t frame = element_count(shape) / shape[0];
        shape[0] = std::min(chunk, steps - t);
        part = Tensor(shape);
        std::copy_n(frames.f32().data() + t * frame, part.size(), part.f32().data());
      }
      session.run_chunk(part, std::min(chunk, steps - t), 1);
      counter.chunk(session, 2);
      operations.chunk(session.last_chunk());
    }
    operations.end_sample({});
  }
  return {counter.counts(), operations.statistics()};
}

template <typename... More>
Weights weights_of(std::string name, Tensor tensor, More&&... more) {
  Weights weights;
  if constexpr (sizeof...(more) > 0) weights = weights_of(std::forward<More>(more)...);
  weights.add(std::move(name), std::move(tensor));
  return weights;
}

std::vector<Tensor> one(Tensor sample) {
  std::vector<Tensor> samples;
  samples.push_back(std::move(sample));
  return samples;
}

float never_zero(uint64_t i) {
  return 0.25f + random_uniform(3, 0, i);
}

}  // namespace

TEST_CASE("published test values of the harness") {
  SECTION("its worked example: effective 4, dense 9") {
    Graph graph;
    const NodeId in = graph.add("in", Input{{3}, true});
    graph.output("logits", graph.add("fc", Linear{3, 3, 0, "w", ""}, {in}));
    const float w[] = {1.3f, 0, -3.2f, 0, 1.2f, -5.1f, -1.1f, 2.7f, 0};
    const float x[] = {0, 1.3f, -1};
    const auto found =
        count(graph, weights_of("w", filled({3, 3}, [&](uint64_t i) { return w[i]; })),
              one(filled({1, 3}, [&](uint64_t i) { return x[i]; })), 1, 1);
    CHECK(found.counts.layers[0].effective_macs == 4);
    CHECK(found.counts.layers[0].effective_acs == 0);
    CHECK(found.counts.layers[0].dense == 9);
    CHECK(found.counts.connection_sparsity() == 0.3333);
  }
  SECTION("two linear layers on values: 1125 MACs") {
    Graph graph;
    const NodeId in = graph.add("in", Input{{20}, true});
    const NodeId a = graph.add("a", Linear{20, 25, 0, "a.w", ""}, {in});
    graph.output("logits", graph.add("b", Linear{25, 25, 0, "b.w", ""}, {a}));
    const auto found = count(
        graph, weights_of("a.w", filled({25, 20}, never_zero), "b.w", filled({25, 25}, never_zero)),
        one(filled({1, 20}, never_zero)), 1, 1);
    CHECK(found.counts.layers[0].effective_macs + found.counts.layers[1].effective_macs == 1125);
  }
  SECTION("a 3x3 convolution of 12x12: 900") {
    Graph graph;
    const NodeId in = graph.add("in", Input{{12, 12, 1}, true});
    graph.output("logits", graph.add("c", Conv2d{1, 1, 3, 1, 0, 1, "w", ""}, {in}));
    const auto found = count(graph, weights_of("w", filled({1, 1, 3, 3}, never_zero)),
                             one(filled({1, 12, 12, 1}, never_zero)), 1, 1);
    CHECK(found.counts.layers[0].effective_macs == 900);
    CHECK(found.counts.layers[0].dense == 900);
  }
  SECTION("linear and LIF, 5 samples x 10 steps of ones: 1000 ACs and 50 membrane updates each") {
    Graph graph;
    const NodeId in = graph.add("in", Input{{20}, true});
    const NodeId fc = graph.add("fc", Linear{20, 5, 0, "w", ""}, {in});
    graph.output("logits", graph.add("lif", Neuron{lif(2.0f, 3.0f)}, {fc}));
    std::vector<Tensor> samples;
    for (int i = 0; i < 5; ++i) samples.push_back(filled({1, 20}, [](uint64_t) { return 1.0f; }));
    const auto found =
        count(graph,
              weights_of("w", filled({5, 20}, [](uint64_t i) { return 0.01f + 0.001f * (i % 7); })),
              samples, 10, 10);
    CHECK(found.counts.layers[0].effective_acs == 5 * 1000);
    CHECK(found.counts.layers[0].effective_macs == 0);
    CHECK(found.counts.membrane_updates == 5 * 50);
  }
}

TEST_CASE("the counts that docs/energy.md prices in its worked example") {
  Graph graph;
  const NodeId image = graph.add("image", Input{{4, 4, 1}, true});
  const NodeId stem = graph.add("stem", Conv2d{1, 2, 3, 1, 1, 1, "a", ""}, {image});
  const NodeId lif_node = graph.add("lif", Neuron{}, {stem});
  graph.output("logits", graph.add("conv", Conv2d{2, 2, 3, 1, 1, 1, "b", ""}, {lif_node}));
  const auto found = count(
      graph,
      weights_of("a", filled({2, 1, 3, 3}, never_zero), "b", filled({2, 2, 3, 3}, never_zero)),
      one(filled({1, 4, 4, 1}, [](uint64_t i) { return 2 + never_zero(i); })), 4, 4);
  const auto& layers = found.counts.layers;
  CHECK(layers[0].effective_macs == 800);
  CHECK(layers[0].dense == 800);
  CHECK(layers[1].dense == 1600);
  CHECK(layers[1].effective_acs == count_operations(graph, found.statistics).totals.event_adds);
  CHECK(layers[1].weights == 36);
}

TEST_CASE("convolutions by brute force: zeros in inputs and weights, padding, stride, groups") {
  for (int round = 0; round < 60; ++round) {
    auto pick = [&, at = uint64_t{0}](int64_t low, int64_t high) mutable {
      return low + static_cast<int64_t>(random_uniform(round, 7, at++) * (high - low + 1));
    };
    Conv2d conv;
    conv.groups = pick(1, 3);
    conv.in_channels = conv.groups * pick(1, 3);
    conv.out_channels = conv.groups * pick(1, 3);
    conv.kernel = pick(1, 4);
    conv.stride = pick(1, 3);
    conv.padding = pick(0, conv.kernel - 1);
    conv.weight = "w";
    const int64_t h = pick(conv.kernel, 7), w = pick(conv.kernel, 7);
    Graph graph;
    const NodeId in = graph.add("in", Input{{h, w, conv.in_channels}, true});
    const NodeId out = graph.add("c", conv, {in});
    graph.output("logits", out);
    const bool binary = round % 3 == 0;
    const auto sparse = [&](uint64_t i, uint64_t stream) {
      const float value = random_uniform(round, stream, i);
      if (value < 0.4f) return 0.0f;
      return stream == 2 && binary ? (value < 0.7f ? 1.0f : -1.0f) : value;
    };
    const int64_t per_group = conv.in_channels / conv.groups;
    const Shape w_shape = {conv.out_channels, per_group, conv.kernel, conv.kernel};
    const Tensor weight = filled(w_shape, [&](uint64_t i) { return sparse(i, 1); });
    const Tensor x = filled({1, h, w, conv.in_channels}, [&](uint64_t i) { return sparse(i, 2); });
    int64_t effective = 0, dense = 0;
    const Shape& shape = graph.node(out).shape;
    for (int64_t oy = 0; oy < shape[0]; ++oy) {
      for (int64_t ox = 0; ox < shape[1]; ++ox) {
        for (int64_t o = 0; o < conv.out_channels; ++o) {
          for (int64_t i = 0; i < per_group; ++i) {
            for (int64_t k = 0; k < conv.kernel * conv.kernel; ++k) {
              const int64_t y = oy * conv.stride - conv.padding + k / conv.kernel;
              const int64_t z = ox * conv.stride - conv.padding + k % conv.kernel;
              if (y < 0 || y >= h || z < 0 || z >= w) continue;
              const int64_t channel = o / (conv.out_channels / conv.groups) * per_group + i;
              const float value =
                  x.f32()[static_cast<size_t>((y * w + z) * conv.in_channels + channel)];
              const float factor = weight.f32()[static_cast<size_t>(
                  (o * per_group + i) * conv.kernel * conv.kernel + k)];
              ++dense;
              effective += value != 0 && factor != 0;
            }
          }
        }
      }
    }
    const auto found = count(graph, weights_of("w", clone(weight)), one(clone(x)), 1, 1);
    INFO(describe(Op(conv)) << " on " << h << "x" << w);
    CHECK(found.counts.layers[0].dense == dense);
    CHECK((binary ? found.counts.layers[0].effective_acs : found.counts.layers[0].effective_macs) ==
          effective);
    CHECK((binary ? found.counts.layers[0].effective_macs : found.counts.layers[0].effective_acs) ==
          0);
  }
}

TEST_CASE("a whole network: spike layers equal exact deliveries, membranes those of the session") {
  SpikeformerConfig config;
  config.embed_dim = {8, 16, 16, 24};
  config.num_heads = 2;
  config.num_classes = 4;
  config.in_channels = 1;
  config.height = config.width = 16;
  config.depths = {1, 1, 1, 1, 1};
  config.strides = {1, 2, 2, 1, 1};
  config.static_input = GENERATE(true, false);
  const Graph graph = build_spikeformer(config);
  const Weights weights = bind_weights(graph, random_weights(graph, 5));
  const int64_t steps = 5;
  std::vector<Tensor> samples;
  for (uint64_t s = 0; s < 2; ++s) {
    samples.push_back(filled({config.static_input ? 1 : steps, 16, 16, 1},
                             [&](uint64_t i) { return 4 * random_uniform(s, 1, i) - 2; }));
  }
  const auto whole = count(graph, weights, samples, steps, steps);
  const OpCounts operations = count_operations(graph, whole.statistics);
  REQUIRE(operations.layers.size() == whole.counts.layers.size());
  for (size_t l = 0; l < operations.layers.size(); ++l) {
    if (!operations.layers[l].spike_operand) continue;
    INFO(operations.layers[l].name);
    CHECK(whole.counts.layers[l].effective_acs == operations.layers[l].event_adds);
    CHECK(whole.counts.layers[l].effective_macs == 0);
  }
  // Any chunk gives the same counts.
  const auto cut = count(graph, weights, samples, steps, 2);
  CHECK(cut.counts.membrane_updates == whole.counts.membrane_updates);
  for (size_t l = 0; l < operations.layers.size(); ++l) {
    CHECK(cut.counts.layers[l].effective_macs == whole.counts.layers[l].effective_macs);
    CHECK(cut.counts.layers[l].dense == whole.counts.layers[l].dense);
  }
  // The membranes as the session holds them after every step.
  int64_t updates = 0;
  Session session(compile(graph, weights, make_cpu_backend(""), {Schedule::kLayerMajor, 1, {}}));
  for (const Tensor& sample : samples) {
    session.reset();
    Weights before = session.save();
    for (int64_t t = 0; t < steps; ++t) {
      Tensor frame({1, 16, 16, 1});
      std::copy_n(sample.f32().data() + (config.static_input ? 0 : t * 256), 256,
                  frame.f32().data());
      session.run_chunk(frame, 1, 1);
      Weights after = session.save();
      for (const Node& node : graph.nodes()) {
        if (!std::holds_alternative<Neuron>(node.op)) continue;
        const auto then = before.at(node.name + "/v").data.f32();
        const auto now = after.at(node.name + "/v").data.f32();
        for (size_t i = 0; i < now.size(); ++i) updates += t == 0 || now[i] != then[i];
      }
      before = std::move(after);
    }
  }
  CHECK(whole.counts.membrane_updates == updates);
  CHECK(updates < operations.totals.neuron_updates);
}
