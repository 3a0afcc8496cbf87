// An input of events gives the bits of the same values read as real numbers, and counts what
// arrives.

#include <algorithm>
#include <map>

#include "core/error.hpp"
#include "core/rng.hpp"
#include "models/ann/kwt.hpp"
#include "models/dense_twin.hpp"
#include "models/lmuformer/lmuformer.hpp"
#include "models/spikeformer/spikeformer.hpp"
#include "sim/backends/cpu/cpu.hpp"
#include "sim/backends/reference/reference.hpp"
#include "sim/counts/op_counter.hpp"
#include "sim/graph/fuse.hpp"
#include "sim/graph/quantize.hpp"
#include "sim/graph/random_weights.hpp"
#include "sim/plan/session.hpp"
#include "tests/catch.hpp"
#include "tests/small_spikeformer.hpp"

using namespace spikeloom;

namespace {

struct Pair {
  Graph real, events;
};

Pair spikeformer(bool static_input, bool fused) {
  SpikeformerConfig config = small_spikeformer();
  config.in_channels = 2;  // polarities
  config.height = 21, config.width = 34;
  config.static_input = static_input;
  const Graph real = build_spikeformer(config);
  config.events = LevelRange();
  const Graph events = build_spikeformer(config);
  return fused ? Pair{fuse(real), fuse(events)} : Pair{real, events};
}

Pair lmuformer(bool spiking, const char* preset, int64_t channels) {
  LmuformerConfig config = lmuformer_preset(preset);
  config.spiking = spiking;
  config.seq_len = config.theta = 12;
  config.dim = 16, config.memory_size = 8, config.in_channels = channels, config.num_classes = 3;
  const Graph real = build_lmuformer(config);
  config.events = LevelRange();
  return {real, build_lmuformer(config)};
}

Pair kwt() {
  KwtConfig config = kwt_preset("KWT-1");
  config.frames = 9, config.in_channels = 70, config.dim = 8, config.heads = 2, config.layers = 1;
  const Graph real = build_kwt(config);
  config.events = LevelRange();
  return {real, build_kwt(config)};
}

Tensor random_events(const Graph& graph, int64_t steps, float rate) {
  const Node& input = graph.node(0);
  Shape shape = input.shape;
  shape.insert(shape.begin(), input.is_static ? 1 : steps);
  Tensor frames(shape);
  uint64_t i = 0;
  for (float& value : frames.f32()) value = random_uniform(9, 1, i++) < rate ? 1.0f : 0.0f;
  return frames;
}

struct Result {
  std::map<std::string, std::vector<bool>> spikes;
  std::vector<float> logits;
  RunStatistics statistics;
};

Result run(const Graph& graph, const Weights& weights, std::shared_ptr<const Backend> backend,
           PlanOptions options, const Tensor& frames, int64_t steps) {
  Session session(compile(graph, weights, std::move(backend), options));
  OpCounter counter(graph);
  counter.begin_sample({});
  Result result;
  const int64_t ahead = session.plan().look_ahead, chunk = options.chunk_steps;
  for (int64_t tick = 0; tick < steps + ahead; tick += chunk) {
    const int64_t length = std::min(chunk, steps + ahead - tick);
    const int64_t own = std::clamp<int64_t>(steps - tick, 0, length);
    const bool repeated = graph.node(0).is_static;
    session.run_chunk(own == 0   ? Tensor()
                      : repeated ? clone(frames)
                                 : part_of(frames, tick, own),
                      own, 2, length - own);
    const SpikeChunk out = session.last_chunk();
    counter.chunk(out);
    for (size_t p = 0; p < out.populations.size(); ++p) {
      auto& all = result.spikes[out.populations[p].name];
      for (int64_t t = 0; t < out.steps; ++t) {
        const SpikeView view = out.spikes(p, t);
        for (int64_t r = 0; r < view.rows; ++r) {
          for (int64_t c = 0; c < view.channels; ++c) all.push_back(view.test(r, c));
        }
      }
    }
    if (out.steps == 0) continue;
    const Tensor logits = session.value(*graph.find_output("logits"), out.steps - 1);
    result.logits.assign(logits.f32().begin(), logits.f32().end());
  }
  result.statistics = counter.statistics();
  return result;
}

// The input as the trace has it: every step, rows, channels.
std::vector<bool> bits_of(const Tensor& frames, int64_t steps) {
  std::vector<bool> bits;
  for (int64_t t = 0; t < steps; ++t) {
    const int64_t size = frames.size() / frames.shape()[0], at = frames.shape()[0] == 1 ? 0 : t;
    for (int64_t i = at * size; i < (at + 1) * size; ++i)
      bits.push_back(frames.f32()[static_cast<size_t>(i)] != 0.0f);
  }
  return bits;
}

void compare(const Pair& pair, int64_t steps, PlanOptions options) {
  const Weights weights = random_weights(pair.real, 4);
  for (const float rate : {0.0f, 0.05f, 0.5f, 1.0f}) {
    const Tensor frames = random_events(pair.real, steps, rate);
    const Result real = run(pair.real, weights, make_reference_backend(), options, frames, steps);
    for (const auto& backend : {make_reference_backend(), make_cpu_backend()}) {
      Result events = run(pair.events, weights, backend, options, frames, steps);
      REQUIRE(events.spikes.at("input") == bits_of(frames, steps));
      events.spikes.erase("input");
      CHECK(events.spikes == real.spikes);
      CHECK(events.logits == real.logits);
    }
  }
}

// Additions of a convolution, one by one.
int64_t deliveries(const Graph& graph, NodeId layer, const std::vector<bool>& bits) {
  const auto& conv = std::get<Conv2d>(graph.node(layer).op);
  const Shape& in = graph.node(0).shape;
  const Shape& out = graph.node(layer).shape;
  int64_t sum = 0;
  for (size_t i = 0; i < bits.size(); ++i) {
    if (!bits[i]) continue;
    const int64_t pixel = static_cast<int64_t>(i) / in[2] % (in[0] * in[1]);
    for (int64_t oy = 0; oy < out[0]; ++oy) {
      for (int64_t ox = 0; ox < out[1]; ++ox) {
        const int64_t ky = pixel / in[1] - oy * conv.stride.y + conv.padding.y,
                      kx = pixel % in[1] - ox * conv.stride.x + conv.padding.x;
        if (ky >= 0 && ky < conv.kernel.y && kx >= 0 && kx < conv.kernel.x) sum += out[2];
      }
    }
  }
  return sum;
}

}  // namespace

TEST_CASE("events give the bits of real values", "[events]") {
  const PlanOptions whole{Schedule::kLayerMajor, 3, {}, true};
  for (const bool static_input : {true, false}) {
    for (const bool fused : {false, true}) {
      const Pair pair = spikeformer(static_input, fused);
      compare(pair, 3, whole);
      compare(pair, 5, {Schedule::kLayerMajor, 2, {}});
      compare(pair, 3, {Schedule::kStepMajor, 3, {}});
    }
  }
  for (const bool spiking : {true, false}) {
    for (const char* preset : {"speech_commands", "psmnist"}) {
      const Pair pair = lmuformer(spiking, preset, preset[0] == 'p' ? 1 : 70);
      compare(pair, 12, {Schedule::kLayerMajor, 30, {}, true});
      compare(pair, 12, {Schedule::kStepMajor, 1, {}});
    }
  }
  compare(kwt(), 1, {Schedule::kLayerMajor, 1, {}});
  const Pair fused = lmuformer(true, "speech_commands", 3);
  compare({fuse(fused.real), fuse(fused.events)}, 12, {Schedule::kLayerMajor, 5, {}});
}

TEST_CASE("events are counted as they arrive", "[events]") {
  for (const bool static_input : {true, false}) {
    const Pair pair = spikeformer(static_input, false);
    const Tensor frames = random_events(pair.events, 4, 0.1f);
    const auto bits = bits_of(frames, 4);
    const Result result = run(pair.events, random_weights(pair.events, 4), make_cpu_backend(),
                              {Schedule::kLayerMajor, 4, {}, true}, frames, 4);
    const NodeId layer = *pair.events.find("downsample1_1.encode_conv");
    const LayerCount stem = count_operations(pair.events, result.statistics).layers.at(0);
    REQUIRE(stem.name == "downsample1_1.encode_conv");
    CHECK(stem.spike_operand);
    CHECK(stem.input_events == std::count(bits.begin(), bits.end(), true));
    CHECK(stem.event_adds == deliveries(pair.events, layer, bits));
    CHECK(stem.real_macs == 0);
    CHECK(stem.dense_macs == count_dense(pair.real, 1, 4).layers.at(0).dense_macs);
    const OpCounts dense = count_dense(pair.events, 1);
    CHECK(dense.totals.dense_macs == count_dense(pair.real, 1).totals.dense_macs);
    CHECK_FALSE(dense.layers.at(0).spike_operand);
  }
}

TEST_CASE("integer weights reach the layer that reads events", "[events]") {
  const Pair pair = spikeformer(false, true);
  const Tensor frames = random_events(pair.events, 3, 0.2f);
  for (const Precision precision : {Precision::kAcc16, Precision::kInt8}) {
    const QuantizedWeights q = quantize(pair.events, random_weights(pair.events, 4), precision);
    CHECK(q.layers.front().node == "downsample1_1.encode_conv");
    const PlanOptions options{Schedule::kLayerMajor, 3, {}, true};
    const Result a = run(pair.events, q.weights, make_reference_backend(), options, frames, 3);
    const Result b = run(pair.events, q.weights, make_cpu_backend(), options, frames, 3);
    CHECK(a.spikes == b.spikes);
    CHECK(a.logits == b.logits);
  }
}

TEST_CASE("a dense twin reads events as it reads values", "[events]") {
  const Pair pair = spikeformer(true, false);
  const Graph real = dense_twin(pair.real), events = dense_twin(pair.events);
  const Weights weights = random_weights(real, 2);
  const Tensor frames = random_events(pair.real, 1, 0.3f);
  const PlanOptions options{Schedule::kLayerMajor, 1, {}};
  CHECK(run(real, weights, make_cpu_backend(), options, frames, 1).logits ==
        run(events, weights, make_cpu_backend(), options, frames, 1).logits);
}

TEST_CASE("a session refuses what is no event", "[events]") {
  const Pair pair = spikeformer(false, false);
  Session session(compile(pair.events, random_weights(pair.events, 1), make_cpu_backend(),
                          {Schedule::kLayerMajor, 2, {}}));
  Tensor frames = random_events(pair.events, 2, 0.5f);
  frames.f32()[77] = 2;
  CHECK_THROWS_WITH(session.run_chunk(frames, 2, 1), Catch::Contains("holds 2 at element 77"));
  frames.f32()[77] = 0.5f;
  CHECK_THROWS_AS(session.run_chunk(frames, 2, 1), Error);
  frames.f32()[77] = -0.0f;
  CHECK_NOTHROW(session.run_chunk(frames, 2, 1));
  Graph graph;
  CHECK_THROWS_WITH(graph.add("tokens", Input{{1}, false, 7, true}), Catch::Contains("no events"));
}
