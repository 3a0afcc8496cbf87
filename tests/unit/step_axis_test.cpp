// When a dense network needs a pass for every step.

#include "sim/graph/step_axis.hpp"

#include "models/families.hpp"
#include "tests/catch.hpp"

using namespace spikeloom;

namespace {

bool every_step(const Graph& graph) {
  return is_dense_at_every_step(graph);
}

Graph of_family(const char* name, DataShape data) {
  const Family& family = *find_family(name);
  return family.build(family.start(family.default_preset), data);
}

// Two layers of LIF on vectors that differ at every step, the answer their sum.
Graph plain(bool turns, bool delays) {
  Graph graph;
  NodeId x = graph.add("input", Input{{4}, false});
  x = graph.add("first", Linear{4, 4, 0, "a", ""}, {x});
  NodeId before = -1;
  if (turns) {
    before = graph.add("before", Feedback{{4}, true});
    x = graph.add("sum", Add{}, {x, graph.add("back", Linear{4, 4, 0, "b", ""}, {before})});
  }
  if (delays) x = graph.add("delay", Delay{2, "", {}}, {x});
  x = graph.add("lif", Neuron{}, {x});
  if (turns) graph.close(before, x);
  graph.output("logits", graph.add("mean", StepMean{}, {x}));
  return graph;
}

}  // namespace

TEST_CASE("one pass where only neurons and sums look across steps") {
  CHECK_FALSE(every_step(plain(false, false)));
  CHECK(every_step(plain(true, false)));
  CHECK(every_step(plain(false, true)));
}

TEST_CASE("one pass for images and frames of recordings, one a step for sequences") {
  CHECK_FALSE(every_step(of_family("meta_spikeformer", {1, 64, 64, 3})));
  CHECK_FALSE(every_step(of_family("meta_spikeformer", {4, 64, 64, 3})));
  CHECK_FALSE(every_step(of_family("ms_resnet", {4, 64, 64, 3})));
  CHECK(every_step(of_family("lmuformer", {128, 0, 0, 128})));
}
