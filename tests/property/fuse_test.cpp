// The fused form is the same function as the modules as written, up to rounding; populations keep
// their names.

#include <cmath>

#include "core/rng.hpp"
#include "models/spikeformer/spikeformer.hpp"
#include "sim/backends/reference/reference.hpp"
#include "sim/graph/fuse.hpp"
#include "sim/graph/random_weights.hpp"
#include "sim/plan/session.hpp"
#include "tests/catch.hpp"

using namespace spikeloom;

namespace {

// Input -> neurons -> the given chain; the chain's value is the output.
struct ChainGraph {
  Graph graph;
  NodeId last = 0;
  explicit ChainGraph(int64_t channels) {
    graph.add("input", Input{{5, 7, channels}, true});
    last = graph.add("lif", Neuron{lif(2.0f, 0.25f)}, {0});
  }
  void conv(const std::string& name, int64_t in, int64_t out, YX kernel, YX padding, int64_t groups,
            bool bias = false) {
    last = graph.add(
        name,
        Conv2d{in, out, kernel, 1, padding, groups, name + ".weight", bias ? name + ".bias" : ""},
        {last});
  }
  void norm(const std::string& name, int64_t pad = 0) {
    last = graph.add(
        name,
        BatchNorm{.channels = channels_of(graph.node(last).shape), .prefix = name, .pad = pad},
        {last});
  }
};

Tensor run(const Graph& graph, const Weights& weights) {
  Session session(
      compile(graph, weights, make_reference_backend(), {Schedule::kLayerMajor, 1, {}}));
  Tensor frame({1, 5, 7, channels_of(graph.node(0).shape)});
  uint64_t index = 0;
  for (float& value : frame.f32()) value = 4.0f * random_uniform(9, 9, index++) - 2.0f;
  session.run_chunk(frame, 1, 1);
  return session.value(*graph.find_output("out"), 0);
}

void check_same(ChainGraph& chain, const std::string& merged, const std::string& op) {
  chain.graph.output("out", chain.last);
  const Weights weights = random_weights(chain.graph, 21);
  const Model fused = fuse(chain.graph, weights, 2);
  REQUIRE(fused.graph.find(merged));
  CHECK(describe(fused.graph.node(*fused.graph.find(merged)).op) == op);
  CHECK(fused.graph.size() == 3);
  const Tensor expected = run(chain.graph, weights), got = run(fused.graph, fused.weights);
  REQUIRE(got.shape() == expected.shape());
  double worst = 0;
  for (size_t i = 0; i < expected.f32().size(); ++i) {
    worst = std::max(worst, std::abs(static_cast<double>(got.f32()[i]) -
                                     static_cast<double>(expected.f32()[i])));
  }
  CHECK(worst < 2e-5);
}

}  // namespace

TEST_CASE("a RepConv with its ring and the norm behind it is one dense 3x3, borders included") {
  ChainGraph chain(6);
  chain.conv("q_conv.0.body.0", 6, 6, 1, 0, 1);
  chain.norm("q_conv.0.body.1.bn", 1);
  chain.conv("q_conv.0.body.2.0", 6, 6, 3, 0, 6);
  chain.conv("q_conv.0.body.2.1", 6, 4, 1, 0, 1);
  chain.norm("q_conv.0.body.2.2");
  chain.norm("q_conv.1");
  check_same(chain, "q_conv", "conv2d k3 s1 p1 g1");
}

TEST_CASE("a depthwise 7x7 and a 1x1 behind it are one dense 7x7") {
  ChainGraph chain(6);
  chain.conv("Conv.dwconv", 6, 6, 7, 3, 6);
  chain.conv("Conv.pwconv2", 6, 3, 1, 0, 1);
  chain.norm("Conv.bn2");
  check_same(chain, "Conv.dwconv+pwconv2", "conv2d k7 s1 p3 g1");
}

TEST_CASE("rectangular, dilated and evenly sized convolutions take in what is behind them") {
  ChainGraph rectangular(3);
  rectangular.conv("a", 3, 5, {2, 3}, {0, 1}, 1);
  rectangular.norm("a_bn");
  rectangular.conv("b", 5, 4, 1, 0, 1);
  check_same(rectangular, "a+b", "conv2d k2x3 s1 p0x1 g1");
  ChainGraph ring(4);
  ring.conv("a", 4, 4, 1, 0, 1);
  ring.norm("a_bn", 1);
  ring.conv("b", 4, 4, {3, 2}, 0, 4);
  check_same(ring, "a+b", "conv2d k3x2 s1 p1 g1");
  ChainGraph same(3);
  same.last =
      same.graph.add("a", Conv2d{3, 5, 2, 1, 0, 1, "a.weight", "", {1, 2}, true}, {same.last});
  same.norm("a_bn");
  check_same(same, "a", "conv2d k2 s1 psame g1 d1x2");
  // Kernel 1 means the same whatever its dilation and padding.
  ChainGraph point(4);
  point.last =
      point.graph.add("a", Conv2d{4, 4, 1, 1, 0, 1, "a.weight", "", 3, true}, {point.last});
  point.norm("a_bn", 1);
  point.conv("b", 4, 4, 3, 0, 4);
  check_same(point, "a+b", "conv2d k3 s1 p1 g1");
}

TEST_CASE("a dilated or evenly sized convolution behind a ring is left alone") {
  for (const bool same : {false, true}) {
    ChainGraph chain(4);
    chain.conv("a", 4, 4, 1, 0, 1);
    chain.norm("b", 2);
    chain.last = chain.graph.add("c", Conv2d{4, 4, 3, 1, 0, 1, "c.weight", "", same ? 1 : 2, same},
                                 {chain.last});
    chain.graph.output("out", chain.last);
    const Graph fused = fuse(chain.graph);
    REQUIRE(fused.find("c"));
    CHECK(describe(fused.node(*fused.find("c")).op) == describe(chain.graph.node(chain.last).op));
  }
}

TEST_CASE("a 1x1 behind a grouped convolution is left alone, its norm is not") {
  ChainGraph grouped(4);
  grouped.conv("a", 4, 6, 3, 1, 2);
  grouped.norm("a_bn");
  grouped.conv("b", 6, 5, 1, 0, 1);
  grouped.norm("b_bn");
  grouped.graph.output("out", grouped.last);
  const Weights weights = random_weights(grouped.graph, 4);
  const Model fused = fuse(grouped.graph, weights, 2);
  CHECK(fused.graph.size() == 4);
  const Tensor expected = run(grouped.graph, weights), got = run(fused.graph, fused.weights);
  for (size_t i = 0; i < expected.f32().size(); ++i)
    CHECK(got.f32()[i] == Approx(expected.f32()[i]).margin(2e-5));
}

TEST_CASE("a dense convolution behind a ring, and a depthwise one with its norms, fold") {
  ChainGraph ring(3);
  ring.conv("a", 3, 5, 1, 0, 1);
  ring.norm("a_bn", 1);
  ring.conv("b", 5, 7, 3, 0, 1, true);
  ring.norm("b_bn");
  check_same(ring, "a+b", "conv2d k3 s1 p1 g1");
  ChainGraph depthwise(5);
  depthwise.conv("a", 5, 5, 3, 1, 5, true);
  depthwise.norm("a_bn");
  check_same(depthwise, "a", "conv2d k3 s1 p1 g5");
  ChainGraph normed(5);
  normed.conv("a", 5, 5, 3, 1, 5, true);
  normed.norm("a_bn");
  normed.conv("b", 5, 3, 1, 0, 1, true);
  check_same(normed, "a+b", "conv2d k3 s1 p1 g1");
}

TEST_CASE("folded weights have the same bits on any number of threads") {
  ChainGraph chain(37);  // several blocks of inputs
  chain.conv("a", 37, 19, 1, 0, 1);
  chain.norm("a_bn", 1);
  chain.conv("b", 19, 19, 3, 0, 19);
  chain.conv("c", 19, 23, 1, 0, 1);
  chain.norm("c_bn");
  const Weights weights = random_weights(chain.graph, 8);
  const Weights one = fuse(chain.graph, weights, 1).weights;
  for (const int threads : {2, 5}) {
    const Weights more = fuse(chain.graph, weights, threads).weights;
    for (const std::string& name : one.names()) {
      const auto a = one.at(name).data.f32(), b = more.at(name).data.f32();
      CHECK(std::equal(a.begin(), a.end(), b.begin(), b.end()));
    }
  }
}

TEST_CASE("chains across modules, or in none, have the names of their parts") {
  struct Names {
    const char *first, *second, *merged;
  };
  for (const Names& names :
       {Names{"a", "b", "a+b"}, Names{"m.a", "m.b", "m.a+b"}, Names{"m.a", "b", "m.a+b"},
        Names{"m.a", "n.b", "m.a+n.b"}, Names{"m.x.a", "m.y.b", "m"}}) {
    ChainGraph chain(3);
    chain.conv(names.first, 3, 5, 3, 1, 1);
    chain.conv(names.second, 5, 4, 1, 0, 1);
    check_same(chain, names.merged, "conv2d k3 s1 p1 g1");
  }
}

TEST_CASE("a convolution with bias takes in its norm") {
  ChainGraph chain(3);
  chain.conv("encode_conv", 3, 5, 3, 1, 1, true);
  chain.norm("encode_bn");
  check_same(chain, "encode_conv", "conv2d k3 s1 p1 g1");
}

TEST_CASE(
    "a ring behind a biased convolution is left alone, because its border would not be zero "
    "padding") {
  ChainGraph chain(4);
  chain.conv("a", 4, 4, 1, 0, 1, true);
  chain.norm("b", 1);
  chain.conv("c", 4, 4, 3, 0, 4);
  chain.graph.output("out", chain.last);
  const Weights weights = random_weights(chain.graph, 2);
  const Model fused = fuse(chain.graph, weights, 1);
  CHECK(fused.graph.size() == chain.graph.size());
  const Tensor expected = run(chain.graph, weights), got = run(fused.graph, fused.weights);
  CHECK(std::equal(expected.f32().begin(), expected.f32().end(), got.f32().begin()));
}

TEST_CASE(
    "a convolution along the steps takes in its norm and what follows, sample ends included") {
  const bool biased = GENERATE(false, true);
  constexpr int64_t kSteps = 6;
  Graph graph;
  NodeId x = graph.add("input", Input{{7}, false});
  x = graph.add("conv", Conv1d{7, 5, 2, 1, "conv.weight", biased ? "conv.bias" : ""}, {x});
  x = graph.add("norm", BatchNorm{.channels = 5, .prefix = "norm"}, {x});
  x = graph.add("fc", Linear{5, 3, 1, "fc.weight", "fc.bias"}, {x});
  graph.output("out", graph.add("norm2", BatchNorm{.channels = 3, .prefix = "norm2"}, {x}));
  const Weights weights = random_weights(graph, 5);
  const Model fused = fuse(graph, weights, 1);
  REQUIRE(fused.graph.size() == 2);
  CHECK(describe(fused.graph.node(1).op) == describe(graph.node(1).op));
  CHECK(fused.graph.node(1).shape == Shape{3});
  Tensor frames({kSteps, 7});
  uint64_t index = 0;
  for (float& value : frames.f32()) value = 4.0f * random_uniform(9, 9, index++) - 2.0f;
  const auto values = [&](const Graph& form, const Weights& its_weights) {
    Session session(compile(form, its_weights, make_reference_backend(),
                            {Schedule::kLayerMajor, kSteps + 1, {}}));
    session.run_chunk(frames, kSteps, 1, 1);
    std::vector<float> out;
    for (int64_t t = 0; t < kSteps; ++t) {
      const Tensor value = session.value(*form.find_output("out"), t);
      out.insert(out.end(), value.f32().begin(), value.f32().end());
    }
    return out;
  };
  const auto expected = values(graph, weights), got = values(fused.graph, fused.weights);
  REQUIRE(got.size() == kSteps * 3);
  for (size_t i = 0; i < got.size(); ++i) CHECK(got[i] == Approx(expected[i]).margin(2e-5));
}

TEST_CASE("populations and outputs keep names and shapes in the fused form") {
  const Graph graph = build_spikeformer(spikeformer_preset("15M"));
  const Graph fused = fuse(graph);
  const auto before = populations_of(graph), after = populations_of(fused);
  REQUIRE(before.size() == after.size());
  for (size_t i = 0; i < before.size(); ++i) {
    CHECK(before[i].name == after[i].name);
    CHECK(before[i].shape == after[i].shape);
  }
  CHECK(graph.outputs().size() == fused.outputs().size());
  CHECK(fused.form == GraphForm::kFused);
}
