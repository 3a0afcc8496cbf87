// Zeros among what dense layers read: one by one, by definition.

#include "sim/counts/zero_counter.hpp"

#include "core/error.hpp"
#include "models/dense_twin.hpp"
#include "models/spikeformer/spikeformer.hpp"
#include "sim/backends/cpu/cpu.hpp"
#include "sim/graph/random_weights.hpp"
#include "tests/catch.hpp"
#include "tests/small_spikeformer.hpp"

using namespace spikeloom;

namespace {

Graph small_twin() {
  return dense_twin(build_spikeformer(small_spikeformer()));
}

}  // namespace

TEST_CASE("zeros of every layer's input, over all samples, on any number of threads") {
  const Graph graph = small_twin();
  const auto plan = compile(graph, random_weights(graph, 5), make_cpu_backend(),
                            {Schedule::kLayerMajor, 1, ZeroCounter::watched(graph)});
  Session session(plan);
  ZeroCounter one(graph), two(graph);
  std::map<std::string, ZeroCount> expected;
  for (int sample = 0; sample < 2; ++sample) {
    Tensor image({1, 32, 32, 1});
    for (int64_t i = 0; i < image.size(); ++i)
      image.f32()[static_cast<size_t>(i)] =
          i % 3 == sample ? 0.0f : 0.01f * static_cast<float>(i % 97);
    session.reset();
    session.run_chunk(image, 1, 1);
    one.chunk(session, 1);
    two.chunk(session, 3);
    for (const Node& node : graph.nodes()) {
      if (!std::holds_alternative<Conv2d>(node.op) && !std::holds_alternative<Linear>(node.op))
        continue;
      const Tensor input = session.value(node.inputs[0], 0);
      ZeroCount& count = expected[node.name];
      for (const float value : input.f32()) {
        ++count.values;
        if (value == 0) ++count.zeros;
      }
    }
  }
  REQUIRE(one.counts().size() == expected.size());
  int64_t some = 0;
  for (size_t l = 0; l < one.counts().size(); ++l) {
    const ZeroCount& count = one.counts()[l];
    INFO(count.layer);
    CHECK(count.zeros == expected.at(count.layer).zeros);
    CHECK(count.values == expected.at(count.layer).values);
    CHECK(count.zeros == two.counts()[l].zeros);
    some += count.zeros > 0 && count.zeros < count.values;
  }
  CHECK(some > 5);  // behind ReLU
  CHECK(one.counts()[0].share() > 0.3);
  CHECK(ZeroCount{}.share() == 0);

  ZeroCounter again(graph);
  again.restore(one.counts());
  again.chunk(session, 1);
  CHECK(again.counts()[0].values == one.counts()[0].values / 2 * 3);
  CHECK_THROWS_AS(again.restore({}), Error);
}
