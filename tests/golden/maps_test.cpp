// Convolutions, pools and flattening against PyTorch (maps/make_maps.py), in every bit.

#include "core/io/npz.hpp"
#include "sim/backends/cpu/cpu.hpp"
#include "sim/backends/reference/reference.hpp"
#include "sim/plan/session.hpp"
#include "tests/catch.hpp"

using namespace spikeloom;

namespace {

struct Case {
  const char* name;
  Op op;
};

Case conv(const char* name, YX kernel, YX stride, YX padding, YX dilation, int64_t groups,
          bool same = false) {
  return {name, Conv2d{6, 12, kernel, stride, padding, groups, "w", "", dilation, same}};
}

}  // namespace

TEST_CASE("maps are PyTorch's", "[fast]") {
  const Weights golden = load_npz(SPIKELOOM_SOURCE_DIR "/tests/golden/maps/maps.npz");
  const Case cases[] = {
      conv("rectangular", {3, 2}, {2, 1}, {1, 0}, 1, 1),
      conv("dilated", 3, {1, 2}, {2, 1}, {2, 1}, 1),
      conv("grouped", {2, 3}, 1, {0, 1}, 1, 3),
      conv("same_even", {4, 2}, 1, 0, 1, 1, true),
      conv("same_dilated", {2, 3}, 1, 0, {3, 2}, 2, true),
      conv("depthwise", 3, 2, 1, 1, 6),
      {"max", Pool2d{PoolMode::kMax, {3, 2}, {2, 1}, 1}},
      {"average", Pool2d{PoolMode::kAverage, {3, 2}, {2, 1}, 1}},
      {"average_plain", Pool2d{PoolMode::kAverage, 2, 2}},
      {"sum", Pool2d{PoolMode::kSum, {2, 3}, {1, 2}, {1, 0}}},
      {"flatten", Flatten{}},
  };
  for (const Case& c : cases) {
    CAPTURE(c.name);
    const std::string name = c.name;
    const Tensor& x = golden.at(name + ".x").data;
    const Tensor& y = golden.at(name + ".y").data;
    Weights weights;
    if (golden.contains(name + ".w")) weights.add("w", to_f32(golden.at(name + ".w").data));
    Graph graph;
    graph.output("logits", graph.add("op", c.op, {graph.add("in", Input{x.shape(), false})}));
    Shape one = x.shape();
    one.insert(one.begin(), 1);
    for (const bool reference : {true, false}) {
      Session session(compile(graph, weights,
                              reference ? make_reference_backend() : make_cpu_backend(),
                              {Schedule::kLayerMajor, 1, {}}));
      Tensor frame(one);
      std::copy(x.f32().begin(), x.f32().end(), frame.f32().begin());
      session.run_chunk(frame, 1, 1);
      const Tensor found = session.value(1, 0);
      CHECK(found.shape() == y.shape());
      CHECK(std::equal(found.f32().begin(), found.f32().end(), y.f32().begin(), y.f32().end()));
    }
  }
}
