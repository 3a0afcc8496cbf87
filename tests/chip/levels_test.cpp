// Levels from a run through its trace to a chip: payloads where targets multiply, else as many
// spikes; what arrives is what the counts say.

#include <map>
#include <sstream>

#include "core/error.hpp"
#include "core/rng.hpp"
#include "hw_model/chip/lower.hpp"
#include "hw_model/chip/mapper.hpp"
#include "hw_model/chip/replay.hpp"
#include "sim/backends/cpu/cpu.hpp"
#include "sim/counts/op_counter.hpp"
#include "sim/counts/op_counts.hpp"
#include "sim/graph/fuse.hpp"
#include "sim/graph/random_weights.hpp"
#include "sim/plan/session.hpp"
#include "sim/trace/graph_json.hpp"
#include "sim/trace/inspect.hpp"
#include "sim/trace/replay.hpp"
#include "sim/trace/signature.hpp"
#include "tests/catch.hpp"
#include "tests/unit/trace_fixture.hpp"

using namespace spikeloom;

namespace {

constexpr int64_t kSteps = 6, kSamples = 2;

// Frames of events -> convolution -> neurons that fire several times a step -> sum pool -> sum with
// its own past -> dense -> LIF.
Graph levelled(int64_t lowest) {
  Graph graph;
  const NodeId in = graph.add("in", Input{{6, 5, 3}, false, 0, false, lowest, 4});
  const NodeId conv = graph.add("conv", Conv2d{3, 8, 3, 1, 1, 1, "conv.w", ""}, {in});
  NeuronSpec several = neuron("IF");
  several.rules.reset = Reset::kMulti;
  const NodeId many = graph.add("many", Neuron{several}, {conv});
  const NodeId pool = graph.add("pool", Pool2d{PoolMode::kSum, 2, 2}, {many});
  const NodeId late = graph.add("late", Delay{1, "", {}}, {pool});
  const NodeId sum = graph.add("sum", Add{}, {pool, late});
  const NodeId flat = graph.add("flat", Flatten{}, {sum});
  const NodeId fc =
      graph.add("fc", Linear{channels_of(graph.node(flat).shape), 5, 0, "fc.w", ""}, {flat});
  graph.output("logits", graph.add("lif", Neuron{lif(2.0f)}, {fc}));
  return graph;
}

struct Levelled {
  trace_test::Folder folder;
  Graph graph;
  RunStatistics statistics;
  std::string signature;

  explicit Levelled(int64_t lowest) : graph(levelled(lowest)) {
    const Weights weights = random_weights(graph, 3);
    RecorderOptions options = trace_test::options_for(folder / "t.h5");
    options.graph_json = graph_to_json(graph, nullptr);
    Recorder recorder(graph, options);
    OpCounter counter(graph);
    Signature hashes(graph);
    Session session(
        compile(graph, weights, make_cpu_backend(), {Schedule::kLayerMajor, kSteps, {}}));
    for (int64_t s = 0; s < kSamples; ++s) {
      Tensor frames({kSteps, 6, 5, 3});
      uint64_t i = 0;
      for (float& value : frames.f32())
        value = std::floor(static_cast<float>(lowest) +
                           random_uniform(static_cast<uint64_t>(s), 1, i++) *
                               static_cast<float>(5 - lowest));
      session.reset();
      session.run_chunk(frames, kSteps, 1);
      for (TraceSink* sink : std::initializer_list<TraceSink*>{&recorder, &counter, &hashes}) {
        sink->begin_sample({s, -1, s * kSteps});
        sink->chunk(session.last_chunk());
        sink->end_sample({kSteps, 0});
      }
    }
    statistics = counter.statistics();
    signature = hashes.text();
    recorder.set_signature(signature);
    recorder.close();
  }
};

struct OnChip {
  LoweredNetwork lowered;
  std::map<std::string, int64_t> events, packets;
};

OnChip on_chip(const TraceFile& trace, const ChipSpec& chip) {
  OnChip run;
  run.lowered = lower(graph_from_json(trace.graph_json(), "trace"), chip);
  const ChipNetwork& network = run.lowered.network;
  const Mapping mapping = map_sequential(network, chip);
  const ChipSpikes spikes = spikes_of(run.lowered, trace, kSamples);
  check_spikes(network, spikes);
  std::vector<std::vector<int64_t>> by_layer;
  for (const Level level : {Level::kCounts, Level::kBottleneck, Level::kEvent}) {
    const ReplayResult result =
        replay(network, chip, mapping, spikes, {.level = level, .threads = 1});
    check_result(network, chip, spikes, result);
    by_layer.push_back(result.by_layer);
    CHECK(by_layer.front() == by_layer.back());
    if (level != Level::kCounts) continue;
    for (size_t q = 0; q < network.projections.size(); ++q)
      run.events[run.lowered.graph.node(run.lowered.layers[q]).name] += result.events[q];
  }
  for (size_t p = 0; p < network.populations.size(); ++p)
    run.packets[network.populations[p].name] = std::ssize(spikes.populations[p].neurons);
  return run;
}

}  // namespace

TEST_CASE("levels on a chip: one packet with a payload, or one for each unit") {
  const Levelled run(0);
  const TraceFile trace(run.folder / "t.h5");
  CHECK(verify(trace).empty());
  const OpCounts counts = count_operations(fuse(run.graph), run.statistics);
  const OnChip graded = on_chip(trace, load_chip("loihi2")),
               unary = on_chip(trace, load_chip("loihi1"));
  CHECK(graded.lowered.host.empty());
  CHECK(unary.lowered.host.empty());
  for (const LayerCount& layer : counts.layers) {
    CAPTURE(layer.name);
    REQUIRE(layer.level_operand);
    CHECK(layer.event_adds > layer.deliveries);
    CHECK(layer.deliveries > 0);
    CHECK(graded.events.at(layer.name) == layer.deliveries);
    CHECK(unary.events.at(layer.name) == layer.event_adds);
  }
  for (const auto& [name, population] : run.statistics.populations) {
    CAPTURE(name);
    if (name == "late") {  // the chip itself brings them later
      CHECK(graded.packets.count(name) == 0);
      continue;
    }
    const bool levels = population.packets.has_value();
    CHECK(graded.packets.at(name) == (levels ? population.packets->events : population.events));
    CHECK(unary.packets.at(name) == population.events);
  }
}

TEST_CASE("negative levels need targets that multiply") {
  const Levelled run(-3);
  const TraceFile trace(run.folder / "t.h5");
  const Graph graph = graph_from_json(trace.graph_json(), "trace");
  CHECK(lower(graph, load_chip("loihi2")).host.empty());
  const ChipSpec unary = load_chip("loihi1");
  CHECK_THROWS_WITH(refuse_host(lower(graph, unary), unary),
                    Catch::Contains("conv") && Catch::Contains("negative levels"));
}

TEST_CASE("levels are recorded, verified, replayed and exported") {
  for (const int64_t lowest : {0, -3}) {
    const Levelled run(lowest);
    const TraceFile trace(run.folder / "t.h5");
    CHECK(verify(trace).empty());
    CHECK(trace.header().signature == run.signature);
    const TracePopulation& in = trace.populations().at(trace.at("in"));
    CHECK(in.levels == LevelRange{lowest, 4});
    CHECK(in.bits() == in.neurons * (lowest < 0 ? 4 : 3));
    CHECK((in.events >= 0) == false);
    OpCounter again(run.graph);
    Signature hashes(run.graph);
    replay(trace, run.graph, kSamples, again);
    replay(trace, run.graph, kSamples, hashes);
    CHECK(hashes.text() == run.signature);
    for (const auto& [name, population] : run.statistics.populations) {
      CAPTURE(name);
      const PopulationStatistics& found = again.statistics().populations.at(name);
      CHECK(found.events == population.events);
      CHECK(found.events_per_row == population.events_per_row);
      CHECK(found.packets.has_value() == population.packets.has_value());
      if (found.packets) CHECK(found.packets->per_step == population.packets->per_step);
    }
    std::ostringstream csv;
    export_events(trace, "in", csv);
    std::istringstream lines(csv.str());
    std::string line;
    std::getline(lines, line);
    CHECK(line == "sample,step,node,level,c,y,x");
    int64_t units = 0, packets = 0;
    while (std::getline(lines, line)) {
      int64_t fields[4] = {};
      std::replace(line.begin(), line.end(), ',', ' ');
      std::istringstream words(line);
      for (int64_t& field : fields) words >> field;
      units += std::abs(fields[3]);
      ++packets;
    }
    CHECK(units == run.statistics.populations.at("in").events);
    CHECK(packets == run.statistics.populations.at("in").packets->events);
  }
}

TEST_CASE("an event list of levels names a neuron as often as it fired, and knows no signs") {
  const Graph graph = levelled(-3);
  const trace_test::Folder folder;
  RecorderOptions options = trace_test::options_for(folder / "t.h5");
  options.events = {"in"};
  CHECK_THROWS_WITH(Recorder(graph, options),
                    Catch::Contains("in holds levels that can be negative"));
  options.events = {"pool"};
  Recorder recorder(graph, options);
  trace_test::feed(trace_test::make_run(graph, {3}, 0.1, 1), 1, recorder);
  recorder.close();
  const TraceFile trace(folder / "t.h5");
  CHECK(verify(trace).empty());
  const size_t pool = trace.at("pool");
  int64_t units = 0;
  for (const uint32_t count : trace.popcounts(pool)) units += count;
  CHECK(trace.populations()[pool].events == units);
  CHECK(units > 0);
}
