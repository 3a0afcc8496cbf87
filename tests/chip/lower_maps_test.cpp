// Convolutions, pools and flattened maps on a chip.

#include "tests/catch.hpp"
#include "tests/chip/lowered_run.hpp"

using namespace spikeloom;
using namespace spikeloom::lower_test;

namespace {

// Neurons -> a pool -> a layer and neurons, twice.
Graph pools(PoolMode first, PoolMode second) {
  Graph graph;
  const NodeId in = graph.add("in", Input{{9, 7, 5}, false, 0, true});
  const NodeId a = graph.add("first", Pool2d{first, {3, 2}, {2, 1}, {1, 1}}, {in});
  const NodeId conv = graph.add("conv", Conv2d{5, 4, 3, 1, 1, 1, "w", ""}, {a});
  const NodeId b = graph.add("neurons", Neuron{lif(2.0f)}, {conv});
  const NodeId c = graph.add("second", Pool2d{second, 2, 2}, {b});
  graph.output("logits", graph.add("logits", SpatialMean{}, {graph.add("n", Neuron{}, {c})}));
  return graph;
}

}  // namespace

TEST_CASE("pools are convolutions of each channel, the maximum of spikes fires") {
  const Folder folder;
  const ChipSpec chip = load_chip("loihi2");
  record_random(folder / "t.h5", pools(PoolMode::kMax, PoolMode::kSum), 3, 0.4);
  const Run run = price(folder / "t.h5", chip);
  CHECK(run.lowered.host.empty());
  auto events = events_by_layer(run);
  const Graph& graph = run.lowered.graph;
  for (const char* name : {"first", "second"}) {
    const NodeId id = *graph.find(name);
    const auto& pool = std::get<Pool2d>(graph.node(id).op);
    const Node& from = graph.node(graph.node(id).inputs[0]);
    const auto& rows = run.statistics.populations.at(from.name).events_per_row;
    int64_t reached = 0;
    for (size_t r = 0; r < rows.size(); ++r) {
      const int64_t y = static_cast<int64_t>(r) / from.shape[1],
                    x = static_cast<int64_t>(r) % from.shape[1];
      for (int64_t o = 0; o < rows_of(graph.node(id).shape); ++o) {
        const int64_t width = graph.node(id).shape[1],
                      ky = y + pool.padding.y - o / width * pool.stride.y,
                      kx = x + pool.padding.x - o % width * pool.stride.x;
        if (ky >= 0 && ky < pool.kernel.y && kx >= 0 && kx < pool.kernel.x) reached += rows[r];
      }
    }
    CHECK(events.at(name) == reached);
    events.erase(name);
  }
  CHECK(events.at("conv") == run.counts.layers.at(0).event_adds);
  CHECK(run.counts.layers.at(0).event_adds > 0);
  CHECK(population_of(run.lowered, "first").update == UpdateRule::kTouched);
  CHECK(refusal(pools(PoolMode::kAverage, PoolMode::kAverage), "loihi2").empty());
}

TEST_CASE("rectangular convolutions are projections, dilated and uneven ones the host's") {
  const Folder folder;
  const auto network = [](const Conv2d& conv) {
    Graph graph;
    const NodeId in = graph.add("in", Input{{9, 7, 5}, false, 0, true});
    const NodeId spikes = graph.add("n", Neuron{}, {graph.add("conv", conv, {in})});
    graph.output("logits", graph.add("logits", SpatialMean{}, {spikes}));
    return graph;
  };
  record_random(folder / "t.h5", network({5, 10, {1, 3}, {2, 1}, {0, 2}, 5, "w", ""}), 3, 0.4);
  const Run run = price(folder / "t.h5", load_chip("loihi2"));
  CHECK(events_by_layer(run).at("conv") == run.counts.layers.at(0).event_adds);
  CHECK(run.counts.layers.at(0).event_adds > 0);
  CHECK(refusal(network({5, 10, 3, 1, 0, 1, "w", "", 1, true}), "loihi2").empty());
  CHECK_THAT(refusal(network({5, 10, 3, 1, 0, 1, "w", "", {1, 2}}), "loihi2"),
             Catch::Contains("conv (conv2d k3 s1 p0 g1 d1x2): no unit of a core walks a dilated"));
  CHECK_THAT(refusal(network({5, 10, {3, 2}, 1, 0, 1, "w", "", 1, true}), "loihi2"),
             Catch::Contains("it pads more behind the map than in front of it"));
}

TEST_CASE("layers that read all of a flattened map are dense projections of it") {
  const Folder folder;
  Graph graph;
  const NodeId in = graph.add("in", Input{{6, 4, 5}, false, 0, true});
  const NodeId a = graph.add("a", Linear{120, 9, 0, "a", ""}, {graph.add("flat", Flatten{}, {in})});
  const NodeId spikes = graph.add("spikes", Neuron{lif(2.0f)}, {a});
  const NodeId mean = graph.add("mean", Pool2d{PoolMode::kAverage, 2, 2}, {in});
  const NodeId b =
      graph.add("b", Linear{30, 9, 0, "b", ""}, {graph.add("flat_mean", Flatten{}, {mean})});
  graph.output("logits",
               graph.add("logits", Add{}, {b, graph.add("c", Linear{9, 9, 0, "c", ""}, {spikes})}));
  record_random(folder / "t.h5", graph, 3, 0.4);
  const Run run = price(folder / "t.h5", load_chip("loihi2"));
  CHECK(run.lowered.host.empty());
  auto events = events_by_layer(run);
  CHECK(events.at("a") == run.counts.layers.at(0).event_adds);
  CHECK(events.at("a") > 0);
  CHECK(events.at("c") == run.counts.layers.at(2).event_adds);
  // What needs every neuron in its own place is left to the host, which reorders them.
  Graph moved;
  const NodeId map = moved.add("in", Input{{2, 2, 3}, false, 0, true});
  const NodeId conv = moved.add("conv", Conv2d{3, 3, 1, 1, 0, 1, "w", ""}, {map});
  moved.output("logits", moved.add("n", Neuron{}, {moved.add("flat", Flatten{}, {conv})}));
  CHECK_THAT(refusal(moved, "loihi2"), Catch::Contains("flat (flatten): no unit of a core"));
}
