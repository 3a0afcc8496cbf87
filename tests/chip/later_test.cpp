// Spikes that arrive later, by feedback or delay, and neurons that never fire.

#include <algorithm>

#include "core/rng.hpp"
#include "hw_model/chip/spike_record.hpp"
#include "sim/graph/random_weights.hpp"
#include "tests/catch.hpp"
#include "tests/chip/lowered_run.hpp"

using namespace spikeloom;
using namespace spikeloom::lower_test;

namespace {

constexpr int64_t kInputs = 5, kCells = 7, kClasses = 3;

// Events -> dense -> LIF that reads its own spikes of the step before and, `late` steps later, those
// of the layer above -> dense -> LIF.
Graph recurrent(int64_t late) {
  Graph graph;
  const NodeId in = graph.add("in", Input{{kInputs}, false, 0, true});
  const NodeId own = graph.add("own", Feedback{{kCells}, true});
  const NodeId above = graph.add("above", Feedback{{kClasses}, true});
  const NodeId held = late > 0 ? graph.add("held", Delay{late, "", {}}, {above}) : above;
  const NodeId up = graph.add("up", Linear{kInputs, kCells, 0, "up.w", ""}, {in});
  const NodeId back = graph.add("back", Linear{kCells, kCells, 0, "back.w", ""}, {own});
  const NodeId down = graph.add("down", Linear{kClasses, kCells, 0, "down.w", ""}, {held});
  const NodeId some = graph.add("some", Add{}, {up, back});
  const NodeId all = graph.add("all", Add{}, {some, down});
  const NodeId cells = graph.add("cells", Neuron{lif(2.0f)}, {all});
  const NodeId fc = graph.add("fc", Linear{kCells, kClasses, 0, "fc.w", ""}, {cells});
  const NodeId out = graph.add("out", Neuron{lif(2.0f)}, {fc});
  graph.close(own, cells);
  graph.close(above, out);
  graph.output("logits", out);
  return graph;
}

// The same with the layer's current, not its spikes, going round.
Graph recurrent_by_value() {
  Graph graph;
  const NodeId in = graph.add("in", Input{{kInputs}, false, 0, true});
  const NodeId own = graph.add("own", Feedback{{kCells}, false});
  const NodeId up = graph.add("up", Linear{kInputs, kCells, 0, "up.w", ""}, {in});
  const NodeId all = graph.add("all", Add{}, {up, own});
  const NodeId cells = graph.add("cells", Neuron{lif(2.0f)}, {all});
  const NodeId back = graph.add("back", Linear{kCells, kCells, 0, "back.w", "back.b"}, {cells});
  graph.close(own, back);
  graph.output("logits", cells);
  return graph;
}

Graph integrator(bool read_by_neurons) {
  Graph graph;
  const NodeId in = graph.add("in", Input{{kInputs}, false, 0, true});
  const NodeId up = graph.add("up", Linear{kInputs, kCells, 0, "up.w", ""}, {in});
  const NodeId li = graph.add("li", Neuron{neuron("LI")}, {up});
  if (read_by_neurons) {
    const NodeId fc = graph.add("fc", Linear{kCells, kClasses, 0, "fc.w", ""}, {li});
    graph.output("logits", graph.add("out", Neuron{lif(2.0f)}, {fc}));
  } else {
    graph.output("logits", graph.add("mean", StepMean{}, {li}));
  }
  return graph;
}

int64_t fired(const Run& run, const std::string& population) {
  return run.statistics.populations.at(population).events;
}

int64_t events_of(const Run& run, const std::string& projection) {
  const std::map<std::string, int64_t> events = events_by_layer(run);
  const auto found = events.find(projection);
  return found == events.end() ? -1 : found->second;
}

bool says(const std::vector<std::string>& lines, const std::string& text) {
  return std::find(lines.begin(), lines.end(), text) != lines.end();
}

}  // namespace

TEST_CASE("feedback is a projection of the layer itself, no copy of it") {
  const Folder folder;
  const Graph graph = recurrent(0);
  record_random(folder / "t.h5", graph, 9, 0.4);
  for (const char* chip : {"loihi1", "odin", "horowitz45"}) {
    INFO(chip);
    const Run run = price(folder / "t.h5", load_chip(chip, {"core.limits.weight_bits=8"}));
    CHECK(run.lowered.host.empty());
    CHECK(run.lowered.network.populations.size() == 3);
    CHECK(events_of(run, "back") == fired(run, "cells") * kCells);
    CHECK(events_of(run, "down") == fired(run, "out") * kCells);
    CHECK(events_of(run, "fc") == fired(run, "cells") * kClasses);
    for (const Projection& projection : run.lowered.network.projections) {
      if (projection.name == "back") CHECK(projection.source == projection.target);
    }
  }
}

TEST_CASE("a current that goes round is delivered as any other") {
  const Folder folder;
  const Graph graph = recurrent_by_value();
  CHECK(refusal(graph, "loihi1").empty());
  record_random(folder / "t.h5", graph, 9, 0.4);
  const Run run = price(folder / "t.h5", load_chip("loihi1"));
  CHECK(events_of(run, "back") == fired(run, "cells") * kCells);
}

TEST_CASE("chips hold spikes back as long as they can, others refuse") {
  const Folder folder;
  const Graph graph = recurrent(4);
  record_random(folder / "t.h5", graph, 9, 0.4);
  const Run run = price(folder / "t.h5", load_chip("loihi1"));
  CHECK(events_of(run, "down") == fired(run, "out") * kCells);
  CHECK(says(run.lowered.unpriced, "holding what out sends to down for 4 steps"));
  CHECK_THAT(refusal(graph, "odin"),
             Catch::Contains("down (linear): what it sends is wanted 4 steps later, and the chip "
                             "holds back nothing"));
  CHECK(refusal(recurrent(5), "loihi1_sanafe").empty());
  CHECK_THAT(refusal(recurrent(6), "loihi1_sanafe"),
             Catch::Contains("wanted 6 steps later, and the chip holds back at most 5"));
  // Left to a host, the layer that wants them late is; the others stay.
  const LoweredNetwork hosted = lower(graph, load_chip("odin"));
  REQUIRE(hosted.host.size() == 1);
  CHECK(hosted.graph.node(hosted.host[0].node).name == "down");
  CHECK(hosted.network.projections.size() == 3);
}

TEST_CASE("neurons that never fire stay where a core shows membranes") {
  const Folder folder;
  const Graph graph = integrator(false);
  record_random(folder / "t.h5", graph, 9, 0.4);
  const Run run = price(folder / "t.h5", load_chip("loihi1"));
  CHECK(run.lowered.host.empty());
  CHECK(events_of(run, "up") == fired(run, "in") * kCells);
  CHECK(run.lowered.network.populations.size() == 2);
  CHECK(run.result.total().updated == kCells * 18 + fired(run, "in"));
  CHECK(says(run.lowered.unpriced, "reading out: 7 values of li per step"));
  CHECK_THAT(refusal(graph, "truenorth"),
             Catch::Contains("its neurons never fire, and no core shows a membrane"));
  // Read by a layer, their membranes are graded packets.
  CHECK(refusal(integrator(true), "loihi2").empty());
  CHECK_THAT(refusal(integrator(true), "loihi1"), Catch::Contains("its operand is real"));
  CHECK_THAT(refusal(integrator(true), "truenorth"), Catch::Contains("its operand is real"));
  const LoweredNetwork lowered = lower(integrator(true), load_chip("loihi2"));
  CHECK(population_of(lowered, "li").sends_always);
  CHECK(lowered.network.projections.size() == 2);
}

TEST_CASE("what follows from recorded spikes") {
  Graph graph;
  const NodeId in = graph.add("in", Input{{4, 4, 2}, false, 0, true});
  const NodeId sums = graph.add("sums", Pool2d{PoolMode::kSum, 2, 2}, {in});
  const NodeId most = graph.add("most", Pool2d{PoolMode::kMax, 3, 2, 1}, {in});
  const NodeId late = graph.add("late", Delay{2, "", {}}, {most});
  const NodeId each = graph.add("each", Delay{2, "each.d", {2, 2, 2}}, {most});
  const NodeId both = graph.add("both", Add{}, {sums, late});
  const NodeId last = graph.add("last", Add{}, {both, each});
  const NodeId flat = graph.add("flat", Flatten{}, {last});
  graph.output("logits", graph.add("out", Neuron{lif(2.0f)},
                                   {graph.add("fc", Linear{8, 3, 0, "w", ""}, {flat})}));
  Weights weights;
  Tensor delays({2, 2, 2});
  for (size_t i = 0; i < 8; ++i) delays.f32()[i] = static_cast<float>(i % 3);
  weights.add("each.d", std::move(delays));
  // What the engine records is what is derived, in two samples.
  const Folder folder;
  std::vector<Tensor> frames;
  Weights all = random_weights(graph, 3);
  all.erase("each.d");
  all.add("each.d", clone(weights.at("each.d").data));
  for (uint64_t s = 0; s < 2; ++s) {
    Tensor& frame = frames.emplace_back(Shape{5, 4, 4, 2});
    uint64_t i = 0;
    for (float& value : frame.f32()) value = random_uniform(s, 1, i++) < 0.3f ? 1.0f : 0.0f;
  }
  record(folder / "t.h5", graph, all, frames, 5);
  const TraceFile trace(folder / "t.h5");
  SpikeRecord recorded;
  recorded.sample_steps = {5, 5};
  for (size_t p = 0; p < trace.populations().size(); ++p) {
    SpikeRecord::Population& own = recorded.populations[trace.populations()[p].name];
    for (int64_t row = 0; row < 10; ++row) {
      for_each_level(
          trace.bits(p, row), trace.populations()[p].neurons, trace.populations()[p].levels,
          [&](int64_t n, int64_t level) {
            own.events.push_back({static_cast<uint32_t>(n), static_cast<int32_t>(level)});
          });
      own.first.push_back(static_cast<int64_t>(own.events.size()));
    }
  }
  SpikeRecord derived;
  derived.sample_steps = {5, 5};
  for (const char* name : {"in", "out"}) derived.populations[name] = recorded.populations.at(name);
  CHECK(signature_of(graph, derived).empty());
  derive_populations(graph, {}, derived);  // delays of elements are not known
  CHECK(derived.populations.count("each") == 0);
  CHECK(derived.populations.count("both") == 1);
  derive_populations(graph, weights, derived);
  CHECK(derived.populations.size() == recorded.populations.size());
  for (const auto& [name, own] : recorded.populations) {
    INFO(name);
    const SpikeRecord::Population& here = derived.populations.at(name);
    CHECK(here.first == own.first);
    REQUIRE(here.events.size() == own.events.size());
    for (size_t i = 0; i < own.events.size(); ++i) {
      CHECK(here.events[i].neuron == own.events[i].neuron);
      CHECK(here.events[i].level == own.events[i].level);
    }
  }
  CHECK(signature_of(graph, derived) == signature_of(graph, recorded));
}
