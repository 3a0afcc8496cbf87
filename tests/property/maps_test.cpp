// Operators that move over maps: values by hand, counts by brute force, one result for every
// backend, schedule and chunk.

#include <algorithm>
#include <cmath>
#include <map>

#include "core/error.hpp"
#include "core/rng.hpp"
#include "sim/backends/cpu/cpu.hpp"
#include "sim/backends/reference/reference.hpp"
#include "sim/counts/elementwise.hpp"
#include "sim/counts/op_counter.hpp"
#include "sim/graph/random_weights.hpp"
#include "sim/plan/session.hpp"
#include "tests/catch.hpp"

using namespace spikeloom;

namespace {

Tensor random_frames(const Shape& shape, int64_t steps, float rate) {
  Shape all = shape;
  all.insert(all.begin(), steps);
  Tensor frames(all);
  uint64_t i = 0;
  for (float& value : frames.f32()) {
    const float random = random_uniform(3, 1, i++);
    value = rate > 0 ? (random < rate ? 1.0f : 0.0f) : 4 * random - 2;
  }
  return frames;
}

struct Result {
  std::map<std::string, std::vector<bool>> spikes;  // [step][row][channel]
  std::vector<float> logits;                        // of every step
  RunStatistics statistics;
  bool operator==(const Result& other) const {
    return spikes == other.spikes && logits == other.logits;
  }
};

Result run(const Graph& graph, const Weights& weights, std::shared_ptr<const Backend> backend,
           const PlanOptions& options, const Tensor& frames, int threads = 2) {
  Session session(compile(graph, weights, std::move(backend), options));
  OpCounter counter(graph);
  counter.begin_sample({});
  Result result;
  const int64_t steps = frames.shape()[0];
  for (int64_t first = 0; first < steps; first += options.chunk_steps) {
    const int64_t length = std::min(options.chunk_steps, steps - first);
    Shape shape = frames.shape();
    shape[0] = length;
    Tensor part(shape);
    const int64_t size = frames.size() / steps;
    std::copy_n(frames.f32().begin() + first * size, length * size, part.f32().begin());
    session.run_chunk(std::move(part), length, threads);
    const SpikeChunk chunk = session.last_chunk();
    counter.chunk(chunk);
    for (size_t p = 0; p < chunk.populations.size(); ++p) {
      auto& all = result.spikes[chunk.populations[p].name];
      for (int64_t t = 0; t < chunk.steps; ++t) {
        const SpikeView view = chunk.spikes(p, t);
        for (int64_t r = 0; r < view.rows; ++r) {
          for (int64_t c = 0; c < view.channels; ++c) all.push_back(view.test(r, c));
        }
      }
    }
    for (int64_t t = 0; t < chunk.steps; ++t) {
      const Tensor logits = session.value(*graph.find_output("logits"), t);
      result.logits.insert(result.logits.end(), logits.f32().begin(), logits.f32().end());
    }
  }
  result.statistics = counter.statistics();
  return result;
}

// The same on the reference, whole, and on the cpu backend, in chunks of both schedules.
Result run_all(const Graph& graph, const Weights& weights, const Tensor& frames) {
  const int64_t steps = frames.shape()[0];
  const Result expected =
      run(graph, weights, make_reference_backend(), {Schedule::kLayerMajor, steps, {}}, frames);
  for (const std::string& simd : cpu_simd_targets()) {
    for (const Schedule schedule : {Schedule::kLayerMajor, Schedule::kStepMajor}) {
      for (const int64_t chunk : {steps, int64_t{2}, int64_t{1}}) {
        INFO(simd << ", chunks of " << chunk);
        CHECK(run(graph, weights, make_cpu_backend(simd), {schedule, chunk, {}}, frames,
                  static_cast<int>(chunk)) == expected);
      }
    }
  }
  return expected;
}

// Values of one pool of one map, as the reference has them.
std::vector<float> pooled(const Pool2d& pool, const Shape& map, const std::vector<float>& values) {
  Graph graph;
  graph.output("logits", graph.add("pool", pool, {graph.add("in", Input{map, false})}));
  Shape shape = map;
  shape.insert(shape.begin(), 1);
  Tensor frame(shape);
  std::copy(values.begin(), values.end(), frame.f32().begin());
  return run_all(graph, {}, frame).logits;
}

// Windows of a pool, one tap at a time: f(output row, input row).
template <typename F>
void each_tap(const Pool2d& pool, const Shape& in, const Shape& out, F f) {
  for (int64_t oy = 0; oy < out[0]; ++oy) {
    for (int64_t ox = 0; ox < out[1]; ++ox) {
      for (int64_t iy = 0; iy < in[0]; ++iy) {
        for (int64_t ix = 0; ix < in[1]; ++ix) {
          const int64_t ky = iy + pool.padding.y - oy * pool.stride.y,
                        kx = ix + pool.padding.x - ox * pool.stride.x;
          if (ky >= 0 && ky < pool.kernel.y && kx >= 0 && kx < pool.kernel.x)
            f(oy * out[1] + ox, iy * in[1] + ix);
        }
      }
    }
  }
}

// Events -> conv -> neurons -> maximum -> conv -> neurons -> `last` pool -> conv -> mean.
Graph pooled_network(const Pool2d& first, const Pool2d& last) {
  Graph graph;
  const auto conv = [&](const std::string& name, int64_t in, int64_t out, NodeId from) {
    return graph.add(name, Conv2d{in, out, 3, 1, 1, 1, name + ".w", ""}, {from});
  };
  const auto neurons = [&](const std::string& name, NodeId from) {
    return graph.add(name, Neuron{lif(2.0f, 0.3f)}, {from});
  };
  const NodeId events = graph.add("in", Input{{9, 7, 2}, false, 0, true});
  const NodeId a = neurons("a", conv("a.conv", 2, 70, events));
  const NodeId pool = graph.add("first", first, {a});
  const NodeId b = neurons("b", conv("b.conv", 70, 5, pool));
  const NodeId c = conv("c.conv", 5, 4, graph.add("last", last, {b}));
  graph.output("logits", graph.add("logits", SpatialMean{}, {c}));
  return graph;
}

std::string refusal(const Pool2d& pool, const Shape& map) {
  Graph graph;
  try {
    graph.add("pool", pool, {graph.add("in", Input{map, false})});
  } catch (const Error& error) {
    CHECK(error.code() == ErrorCode::kUsage);
    return error.what();
  }
  return "";
}

constexpr Pool2d kWide{PoolMode::kMax, {3, 2}, {2, 1}, {1, 1}};

}  // namespace

TEST_CASE("pools are PyTorch's: padding counts in averages and is left out of maxima", "[maps]") {
  const std::vector<float> nine = {1, 2, 3, 4, 5, 6, 7, 8, 9};
  const Shape map = {3, 3, 1};
  CHECK(pooled({PoolMode::kSum, 2}, map, nine) == std::vector<float>{12, 16, 24, 28});
  CHECK(pooled({PoolMode::kAverage, 2}, map, nine) == std::vector<float>{3, 4, 6, 7});
  CHECK(pooled({PoolMode::kMax, 2}, map, nine) == std::vector<float>{5, 6, 8, 9});
  CHECK(pooled({PoolMode::kAverage, 2, 2, 1}, map, nine) ==
        std::vector<float>{0.25f, 1.25f, 2.75f, 7});
  CHECK(pooled({PoolMode::kSum, {1, 3}, {2, 1}, {0, 1}}, map, nine) ==
        std::vector<float>{3, 6, 5, 15, 24, 17});
  // The last row and column do not fill a window: floor, as is the default there.
  CHECK(pooled({PoolMode::kMax, 2, 2}, map, nine) == std::vector<float>{5});
  const std::vector<float> negative = {-4, -3, -2, -1};
  CHECK(pooled({PoolMode::kMax, 3, 2, 1}, {2, 2, 1}, negative) == std::vector<float>{-1});
  // Channels stay apart.
  CHECK(pooled({PoolMode::kMax, {1, 2}}, {1, 2, 2}, {1, -5, -2, 7}) == std::vector<float>{1, 7});
}

TEST_CASE("a maximum keeps NaN and the first of two zeros", "[maps]") {
  const float nan = std::nanf("");
  for (const std::vector<float>& values :
       {std::vector<float>{nan, 1, 2, 3}, {1, nan, 2, 3}, {1, 2, 3, nan}}) {
    for (const auto& backend : {make_reference_backend(), make_cpu_backend()}) {
      Graph graph;
      const NodeId in = graph.add("in", Input{{2, 2, 1}, false});
      graph.output("logits", graph.add("pool", Pool2d{PoolMode::kMax, 2}, {in}));
      Tensor frame({1, 2, 2, 1});
      std::copy(values.begin(), values.end(), frame.f32().begin());
      CHECK(
          std::isnan(run(graph, {}, backend, {Schedule::kLayerMajor, 1, {}}, frame).logits.at(0)));
    }
  }
  CHECK(std::signbit(pooled({PoolMode::kMax, {1, 2}}, {1, 2, 1}, {-0.0f, 0.0f}).at(0)));
  CHECK_FALSE(std::signbit(pooled({PoolMode::kMax, {1, 2}}, {1, 2, 1}, {0.0f, -0.0f}).at(0)));
}

TEST_CASE("networks with pools run alike everywhere and count as brute force does", "[maps]") {
  for (const Pool2d& first : {kWide, Pool2d{PoolMode::kMax, 2, 2}}) {
    for (const PoolMode mode : {PoolMode::kSum, PoolMode::kAverage, PoolMode::kMax}) {
      const Pool2d last{mode, {2, 3}, 1, {1, 1}};
      const Graph graph = pooled_network(first, last);
      const Weights weights = random_weights(graph, 2);
      const Tensor frames = random_frames({9, 7, 2}, 5, 0.3f);
      const Result result = run_all(graph, weights, frames);

      const Node &a = graph.node(*graph.find("a")), &pool = graph.node(*graph.find("first"));
      const auto &from = result.spikes.at("a"), &to = result.spikes.at("first");
      const int64_t channels = 70, pixels_in = rows_of(a.shape), pixels_out = rows_of(pool.shape);
      std::vector<bool> expected(to.size());
      int64_t read = 0;
      each_tap(first, a.shape, pool.shape, [&](int64_t out, int64_t in) {
        for (int64_t t = 0; t < 5; ++t) {
          for (int64_t c = 0; c < channels; ++c, ++read) {
            if (from[static_cast<size_t>((t * pixels_in + in) * channels + c)])
              expected[static_cast<size_t>((t * pixels_out + out) * channels + c)] = true;
          }
        }
      });
      CHECK(to == expected);
      CHECK(std::count(to.begin(), to.end(), true) > 50);

      // The layer behind it counts the pooled spikes, not those of the neurons.
      const LayerCount layer = count_operations(graph, result.statistics).layers.at(1);
      REQUIRE(layer.name == "b.conv");
      const Pool2d same{PoolMode::kSum, 3, 1, 1};  // the window of that convolution
      int64_t deliveries = 0;
      each_tap(same, pool.shape, pool.shape, [&](int64_t, int64_t in) {
        for (int64_t t = 0; t < 5; ++t) {
          for (int64_t c = 0; c < channels; ++c)
            deliveries += 5 * to[static_cast<size_t>((t * pixels_out + in) * channels + c)];
        }
      });
      CHECK(layer.event_adds == deliveries);
      CHECK(layer.input_events == std::count(to.begin(), to.end(), true));

      const Shape &b = graph.node(*graph.find("b")).shape,
                  &c = graph.node(*graph.find("last")).shape;
      each_tap(last, b, c, [&](int64_t, int64_t) { read += 5 * 5; });
      const ElementwiseCounts counts = count_elementwise(graph, result.statistics);
      CHECK(counts.pooled == read);
      CHECK(counts.scalings == (mode == PoolMode::kAverage ? 5 * element_count(c) : 0));
    }
  }
}

TEST_CASE("syops counts the inputs of pools by the rate of their spikes", "[maps]") {
  const Graph graph = pooled_network(kWide, {PoolMode::kAverage, 2});
  const Result result = run(graph, random_weights(graph, 2), make_cpu_backend(),
                            {Schedule::kLayerMajor, 5, {}}, random_frames({9, 7, 2}, 5, 0.3f));
  double lines = 0;
  for (const SyopsLine& line : count_syops(graph, result.statistics)) {
    if (line.layer != "first" && line.layer != "last") continue;
    const auto& spikes = result.spikes.at(line.layer == "first" ? "a" : "b");
    CHECK(line.ac);
    CHECK(line.count ==
          Approx(static_cast<double>(std::count(spikes.begin(), spikes.end(), true))));
    ++lines;
  }
  CHECK(lines == 2);
}

TEST_CASE("a convolution of the same size pads as PyTorch does, less in front", "[maps]") {
  const auto row = [](YX kernel, YX dilation, std::vector<float> weight) {
    Graph graph;
    const NodeId in = graph.add("in", Input{{1, 4, 1}, false});
    graph.output("logits",
                 graph.add("conv", Conv2d{1, 1, kernel, 1, 0, 1, "w", "", dilation, true}, {in}));
    Tensor w({1, 1, kernel.y, kernel.x}), frame({1, 1, 4, 1});
    std::copy(weight.begin(), weight.end(), w.f32().begin());
    for (int64_t i = 0; i < 4; ++i) frame.f32()[static_cast<size_t>(i)] = static_cast<float>(i + 1);
    Weights weights;
    weights.add("w", std::move(w));
    return run_all(graph, weights, frame).logits;
  };
  CHECK(row({1, 2}, 1, {10, 1}) == std::vector<float>{12, 23, 34, 40});
  CHECK(row({1, 2}, {1, 2}, {10, 1}) == std::vector<float>{2, 13, 24, 30});
  CHECK(row({1, 3}, 1, {100, 10, 1}) == std::vector<float>{12, 123, 234, 340});
  CHECK(row({1, 4}, 1, {1000, 100, 10, 1}) == std::vector<float>{123, 1234, 2340, 3400});
  CHECK(row({2, 1}, 1, {10, 1}) == std::vector<float>{10, 20, 30, 40});  // the row below is padding
  Graph graph;
  const NodeId in = graph.add("in", Input{{8, 8, 2}, false});
  CHECK_THROWS_WITH(graph.add("a", Conv2d{2, 2, 3, 2, 0, 1, "w", "", 1, true}, {in}),
                    Catch::Contains("goes with stride 1 and no other padding"));
  CHECK_THROWS_WITH(graph.add("b", Conv2d{2, 2, {3, 4}, 1, 0, 1, "w", "", {1, 3}}, {in}),
                    Catch::Contains("a 8x8 map is smaller than the 3x10 kernel"));
  CHECK_THROWS_WITH(graph.add("c", Conv2d{2, 2, 3, 1, 0, 1, "w", "", {1, 0}}, {in}),
                    Catch::Contains("impossible"));
}

TEST_CASE("deliveries of any window are those of brute force", "[maps]") {
  const Conv2d windows[] = {{2, 6, {1, 3}, {2, 1}, {0, 2}, 1, "w", ""},
                            {2, 6, 3, {1, 2}, {0, 1}, 2, "w", "", {2, 3}},
                            {2, 6, {4, 2}, 1, 0, 1, "w", "", {1, 3}, true},
                            {2, 2, {2, 5}, {3, 2}, {1, 3}, 2, "w", "", 2}};
  for (const Conv2d& conv : windows) {
    INFO(describe(Op(conv)));
    Graph graph;
    const NodeId in = graph.add("in", Input{{9, 10, 2}, false, 0, true});
    const NodeId layer = graph.add("conv", conv, {in});
    graph.output("logits", graph.add("logits", SpatialMean{}, {layer}));
    const Tensor frames = random_frames({9, 10, 2}, 3, 0.4f);
    const Result result = run_all(graph, random_weights(graph, 4), frames);
    const Shape& out = graph.node(layer).shape;
    const int64_t before_y = conv.same ? conv.dilation.y * (conv.kernel.y - 1) / 2 : conv.padding.y,
                  before_x = conv.same ? conv.dilation.x * (conv.kernel.x - 1) / 2 : conv.padding.x;
    int64_t deliveries = 0;
    for (int64_t oy = 0; oy < out[0]; ++oy) {
      for (int64_t ox = 0; ox < out[1]; ++ox) {
        for (int64_t k = 0; k < conv.kernel.area(); ++k) {
          const int64_t y = oy * conv.stride.y + k / conv.kernel.x * conv.dilation.y - before_y,
                        x = ox * conv.stride.x + k % conv.kernel.x * conv.dilation.x - before_x;
          if (y < 0 || y >= 9 || x < 0 || x >= 10) continue;
          for (int64_t t = 0; t < 3; ++t) {
            for (int64_t c = 0; c < 2; ++c) {
              const auto at = static_cast<size_t>(((t * 9 + y) * 10 + x) * 2 + c);
              if (frames.f32()[at] != 0) deliveries += conv.out_channels / conv.groups;
            }
          }
        }
      }
    }
    const LayerCount count = count_operations(graph, result.statistics).layers.at(0);
    CHECK(count.event_adds == deliveries);
    CHECK(count.weights == conv.out_channels * 2 / conv.groups * conv.kernel.area());
    CHECK(count.dense_macs == 3 * element_count(out) * 2 / conv.groups * conv.kernel.area());
  }
}

TEST_CASE("a map is flattened channel by channel", "[maps]") {
  Graph graph;
  const NodeId in = graph.add("in", Input{{2, 3, 2}, false});
  graph.output("logits", graph.add("flat", Flatten{}, {in}));
  Tensor frame({1, 2, 3, 2});
  for (int64_t i = 0; i < 12; ++i) frame.f32()[static_cast<size_t>(i)] = static_cast<float>(i);
  CHECK(run_all(graph, {}, frame).logits ==
        std::vector<float>{0, 2, 4, 6, 8, 10, 1, 3, 5, 7, 9, 11});
  CHECK_THROWS_WITH(graph.add("tokens", Flatten{}, {graph.add("rows", View{{6, 2}}, {in})}),
                    Catch::Contains("tokens: needs a map or a vector, got [6, 2]"));
}

TEST_CASE("each channel or element may have a factor and a threshold of its own", "[maps]") {
  const auto values_of = [](const Shape& numbers) {
    Graph graph;
    const NodeId in = graph.add("in", Input{{2, 2}, false});
    const NodeId scaled = graph.add("scaled", Scale{7.0f, "f", numbers}, {in});
    graph.output("logits", scaled);
    graph.add("above", Threshold{7.0f, FireRule::kAboveThreshold, "t", numbers}, {scaled});
    graph.add("at", Threshold{7.0f, FireRule::kAtThreshold, "t", numbers}, {scaled});
    Weights weights;
    Tensor f(numbers), t(numbers), frame({1, 2, 2});
    for (int64_t i = 0; i < f.size(); ++i) {
      f.f32()[static_cast<size_t>(i)] = static_cast<float>(i + 1);
      t.f32()[static_cast<size_t>(i)] = 2.0f * static_cast<float>(i + 1);
    }
    weights.add("f", std::move(f));
    weights.add("t", std::move(t));
    for (int64_t i = 0; i < 4; ++i) frame.f32()[static_cast<size_t>(i)] = static_cast<float>(i + 1);
    return run_all(graph, weights, frame);
  };
  const Result channels = values_of({2});
  CHECK(channels.logits == std::vector<float>{1, 4, 3, 8});
  CHECK(channels.spikes.at("above") == std::vector<bool>{false, false, true, true});
  CHECK(channels.spikes.at("at") == std::vector<bool>{false, true, true, true});
  const Result elements = values_of({2, 2});
  CHECK(elements.logits == std::vector<float>{1, 4, 9, 16});
  CHECK(elements.spikes.at("above") == std::vector<bool>{false, false, true, true});
  Graph graph;
  const NodeId in = graph.add("in", Input{{2, 2}, false});
  CHECK_THROWS_WITH(graph.add("s", Scale{1.0f, "f", {3}}, {in}),
                    Catch::Contains("s: f has shape [3], the value is [2, 2]"));
  CHECK_THROWS_WITH(graph.add("t", Threshold{1.0f, FireRule::kAtThreshold, "", {2}}, {in}),
                    Catch::Contains("but no array of them"));
  const auto population = populations_of([&] {
    graph.add("u", Threshold{1.0f, FireRule::kAtThreshold, "t", {2}}, {in});
    return graph;
  }());
  CHECK(std::isnan(population.at(0).threshold));
}

TEST_CASE("layers behind flattened spikes count the spikes of the map", "[maps]") {
  Graph graph;
  const NodeId in = graph.add("in", Input{{5, 4, 3}, false, 0, true});
  const NodeId flat = graph.add("flat", Flatten{}, {in});
  const NodeId a = graph.add("a", Linear{60, 7, 0, "a.w", ""}, {flat});
  // The vector as a map of one pixel, which a convolution reads.
  const NodeId pixel = graph.add("pixel", View{{1, 1, 60}}, {flat});
  const NodeId b = graph.add("b", Conv2d{60, 7, 1, 1, 0, 1, "b.w", ""}, {pixel});
  const NodeId c = graph.add("c", View{{7}}, {b});
  graph.output("logits", graph.add("logits", Add{}, {a, c}));
  const Tensor frames = random_frames({5, 4, 3}, 6, 0.3f);
  const Result result = run_all(graph, random_weights(graph, 1), frames);
  const int64_t spikes = std::count(frames.f32().begin(), frames.f32().end(), 1.0f);
  CHECK(result.spikes.size() == 1);  // a Flatten has none of its own
  const OpCounts counts = count_operations(graph, result.statistics);
  for (const LayerCount& layer : counts.layers) {
    CHECK(layer.input_events == spikes);
    CHECK(layer.event_adds == 7 * spikes);
  }
}

TEST_CASE("pools that no map allows are refused", "[maps]") {
  CHECK(refusal({PoolMode::kSum, 2}, {4, 4, 2}).empty());
  CHECK(refusal({PoolMode::kSum, 2}, {16, 2}) == "pool: needs a map, got [16, 2]");
  CHECK(refusal({PoolMode::kSum, {2, 5}}, {4, 4, 2}) ==
        "pool: a 4x4 map is smaller than the 2x5 kernel");
  CHECK(refusal({PoolMode::kMax, 3, 1, 2}, {4, 4, 2}) ==
        "pool: pads by more than half of the kernel");
  for (const Pool2d& pool : {Pool2d{PoolMode::kSum, 0}, Pool2d{PoolMode::kSum, 1, {1, 0}},
                             Pool2d{PoolMode::kSum, 1, 1, {-1, 0}}})
    CHECK(refusal(pool, {4, 4, 2}) == "pool: has impossible kernel, stride or padding");
}
