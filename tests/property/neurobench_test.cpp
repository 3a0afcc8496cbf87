// NeuroBench's counts: its published test values, brute force by its definition, and the membranes
// a session really has.

#include "sim/counts/neurobench.hpp"
#include "core/rng.hpp"
#include "models/lmuformer/lmuformer.hpp"
#include "models/spikeformer/spikeformer.hpp"
#include "sim/backends/cpu/cpu.hpp"
#include "sim/backends/reference/reference.hpp"
#include "sim/counts/op_counter.hpp"
#include "sim/graph/random_weights.hpp"
#include "sim/graph/step_window.hpp"
#include "sim/plan/session.hpp"
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
      const int64_t count = std::min(chunk, steps - t);
      const bool repeated = frames.shape()[0] == 1;
      session.run_chunk(repeated ? clone(frames) : part_of(frames, t, count), count, 1);
      counter.chunk(session, 2);
      operations.chunk(session.last_chunk());
    }
    operations.end_sample({});
  }
  return {counter.counts(), operations.statistics()};
}

// One sequence, `chunk` steps at a time.
NeuroBenchCounts count_sequence(const Graph& graph, const Weights& weights, const Tensor& frames,
                                int64_t steps, int64_t chunk, RunStatistics* statistics = nullptr) {
  const int64_t look_ahead = delays_of(graph).back();
  Session session(
      compile(graph, weights, make_reference_backend(),
              {Schedule::kLayerMajor, chunk + look_ahead, NeuroBenchCounter::watched(graph)}));
  NeuroBenchCounter counter(graph, weights);
  OpCounter operations(graph);
  counter.begin_sample();
  operations.begin_sample({});
  for (int64_t t = 0; t < steps; t += chunk) {
    const int64_t fed = std::min(chunk, steps - t);
    session.run_chunk(part_of(frames, t, fed), fed, 1, t + fed == steps ? look_ahead : 0);
    counter.chunk(session, 2);
    operations.chunk(session.last_chunk());
  }
  operations.end_sample({});
  if (statistics != nullptr) *statistics = operations.statistics();
  return counter.counts();
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

TEST_CASE("a convolution along the steps: 150 of length 10 without padding") {
  // Ours pads: its first four outputs, 10 of 50 taps, are those the harness's example has not.
  Graph graph;
  const NodeId in = graph.add("in", Input{{5}, false});
  graph.output("logits", graph.add("c", Conv1d{5, 1, 4, 0, "w", ""}, {in}));
  const Weights weights = weights_of("w", filled({1, 5, 5}, never_zero));
  const Tensor x = filled({10, 5}, never_zero);
  const NeuroBenchCounts all = count_sequence(graph, weights, x, 10, 10);
  const NeuroBenchCounts first = count_sequence(graph, weights, x, 4, 4);
  CHECK(all.layers[0].effective_macs - first.layers[0].effective_macs == 150);
  CHECK(all.layers[0].dense - first.layers[0].dense == 150);
}

TEST_CASE("convolutions along the steps by brute force, however the sequence is cut") {
  for (int round = 0; round < 40; ++round) {
    auto pick = [&, at = uint64_t{0}](int64_t low, int64_t high) mutable {
      return low + static_cast<int64_t>(random_uniform(round, 7, at++) * (high - low + 1));
    };
    Conv1d conv{pick(1, 4), pick(1, 3), pick(0, 3), pick(0, 2), "w", ""};
    const int64_t steps = pick(1, 8), in = conv.in_channels, out = conv.out_channels;
    Graph graph;
    graph.output("logits", graph.add("c", conv, {graph.add("in", Input{{in}, false})}));
    const auto sparse = [&](uint64_t i, uint64_t stream, bool binary) {
      const float value = random_uniform(round, stream, i);
      return value < 0.4f ? 0.0f : binary ? 1.0f : value;
    };
    // Binary, real, or real at the last step alone: then the whole call is MACs.
    const int kind = round % 3;
    const Tensor weight =
        filled({out, in, conv.kernel()}, [&](uint64_t i) { return sparse(i, 1, false); });
    const Tensor x = filled({steps, in}, [&](uint64_t i) {
      const bool last = static_cast<int64_t>(i) >= (steps - 1) * in;
      return kind == 2 && last ? 0.5f : sparse(i, 2, kind != 1);
    });
    int64_t effective = 0, dense = 0;
    bool binary = true;
    for (const float value : x.f32()) binary &= value == 0 || value == 1;
    for (int64_t t = 0; t < steps; ++t) {
      for (int64_t k = 0; k < out * in * conv.kernel(); ++k) {
        const int64_t at = t - conv.left + k % conv.kernel();
        if (at < 0 || at >= steps) continue;
        const float value = x.f32()[static_cast<size_t>(at * in + k / conv.kernel() % in)];
        ++dense;
        effective += value != 0 && weight.f32()[static_cast<size_t>(k)] != 0;
      }
    }
    const Weights weights = weights_of("w", clone(weight));
    for (const int64_t chunk : {steps, int64_t{1}, int64_t{3}}) {
      INFO("round " << round << ", chunks of " << chunk);
      const NeuroBenchLayer layer = count_sequence(graph, weights, x, steps, chunk).layers[0];
      CHECK(layer.dense == dense);
      CHECK((binary ? layer.effective_acs : layer.effective_macs) == effective);
      CHECK((binary ? layer.effective_macs : layer.effective_acs) == 0);
    }
  }
}

TEST_CASE(
    "a spiking LMUFormer: spike layers equal exact deliveries, buffers as the authors store") {
  LmuformerConfig config;
  config.in_channels = 6;
  config.dim = 12;
  config.seq_len = 9;
  const Graph graph = build_lmuformer(config);
  const Weights weights = random_weights(graph, 3);
  const Tensor x = filled({9, 6}, [](uint64_t i) { return 4 * random_uniform(8, 1, i) - 2; });
  RunStatistics statistics;
  const NeuroBenchCounts counts = count_sequence(graph, weights, x, 9, 9, &statistics);
  const OpCounts operations = count_operations(graph, statistics);
  size_t compared = 0;
  for (const NeuroBenchLayer& layer : counts.layers) {
    const auto same = [&](const LayerCount& other) { return other.name == layer.name; };
    const auto found = std::find_if(operations.layers.begin(), operations.layers.end(), same);
    REQUIRE(found != operations.layers.end());
    INFO(layer.name);
    CHECK(layer.effective_acs == found->event_adds);
    CHECK((layer.effective_macs > 0) == (layer.name == "patch_embed.proj_conv"));
    ++compared;
  }
  CHECK(compared == operations.layers.size() - 1);  // all but the memory
  CHECK(counts.membrane_updates > 0);
  const NeuroBenchCounts cut = count_sequence(graph, weights, x, 9, 2);
  CHECK(cut.membrane_updates == counts.membrane_updates);
  // Speech Commands: 1,689,894 parameters and 401,934 elements of buffers, of which 512 x 129
  // complex and 12 integers of 8 bytes.
  const Graph full = build_lmuformer({});
  CHECK(NeuroBenchCounter(full, random_weights(full, 1)).counts().footprint_bytes ==
        4 * (1689894 + 401934) + 4 * (512 * 129 + 12));
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

TEST_CASE(
    "convolutions by brute force: zeros in inputs and weights, padding, stride, dilation, groups") {
  for (int round = 0; round < 60; ++round) {
    auto pick = [&, at = uint64_t{0}](int64_t low, int64_t high) mutable {
      return low + static_cast<int64_t>(random_uniform(round, 7, at++) * (high - low + 1));
    };
    Conv2d conv;
    conv.groups = pick(1, 3);
    conv.in_channels = conv.groups * pick(1, 3);
    conv.out_channels = conv.groups * pick(1, 3);
    conv.kernel = {pick(1, 4), pick(1, 4)};
    conv.dilation = {pick(1, 2), pick(1, 2)};
    conv.same = round % 4 == 0;
    if (!conv.same) {
      conv.stride = {pick(1, 3), pick(1, 3)};
      conv.padding = {pick(0, conv.kernel.y - 1), pick(0, conv.kernel.x - 1)};
    }
    conv.weight = "w";
    const int64_t h = pick(7, 9), w = pick(7, 9);
    const int64_t before_y = conv.same ? conv.dilation.y * (conv.kernel.y - 1) / 2 : conv.padding.y,
                  before_x = conv.same ? conv.dilation.x * (conv.kernel.x - 1) / 2 : conv.padding.x;
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
    const Shape w_shape = {conv.out_channels, per_group, conv.kernel.y, conv.kernel.x};
    const Tensor weight = filled(w_shape, [&](uint64_t i) { return sparse(i, 1); });
    const Tensor x = filled({1, h, w, conv.in_channels}, [&](uint64_t i) { return sparse(i, 2); });
    int64_t effective = 0, dense = 0;
    const Shape& shape = graph.node(out).shape;
    for (int64_t oy = 0; oy < shape[0]; ++oy) {
      for (int64_t ox = 0; ox < shape[1]; ++ox) {
        for (int64_t o = 0; o < conv.out_channels; ++o) {
          for (int64_t i = 0; i < per_group; ++i) {
            for (int64_t k = 0; k < conv.kernel.area(); ++k) {
              const int64_t ky = k / conv.kernel.x, kx = k % conv.kernel.x;
              const int64_t y = oy * conv.stride.y - before_y + ky * conv.dilation.y;
              const int64_t z = ox * conv.stride.x - before_x + kx * conv.dilation.x;
              if (y < 0 || y >= h || z < 0 || z >= w) continue;
              const int64_t channel = o / (conv.out_channels / conv.groups) * per_group + i;
              const float value =
                  x.f32()[static_cast<size_t>((y * w + z) * conv.in_channels + channel)];
              const float factor =
                  weight.f32()[static_cast<size_t>((o * per_group + i) * conv.kernel.area() + k)];
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
