// From a trace alone to a chip: the synaptic events of the chip are the operation counts of the
// network, layer by layer.

#include "hw_model/chip/lower.hpp"

#include <map>

#include "core/error.hpp"
#include "core/io/npy.hpp"
#include "core/io/npz.hpp"
#include "hw_model/chip/mapper.hpp"
#include "hw_model/chip/replay.hpp"
#include "models/lmuformer/lmuformer.hpp"
#include "models/spikeformer/spikeformer.hpp"
#include "models/spikegpt/spikegpt.hpp"
#include "sim/backends/cpu/cpu.hpp"
#include "sim/counts/op_counter.hpp"
#include "sim/graph/fuse.hpp"
#include "sim/graph/step_window.hpp"
#include "sim/plan/session.hpp"
#include "sim/trace/graph_json.hpp"
#include "sim/trace/replay.hpp"
#include "tests/catch.hpp"
#include "tests/unit/trace_fixture.hpp"

using namespace spikeloom;
using trace_test::Folder;

namespace {

const std::string kGolden = SPIKELOOM_SOURCE_DIR "/tests/golden/";

RecorderOptions recorder_options(const std::filesystem::path& path, const Graph& graph) {
  RecorderOptions options = trace_test::options_for(path);
  options.graph_json = graph_to_json(graph, nullptr);
  return options;
}

// A trace of a network on golden weights; `frames` by sample, [steps or 1, ...].
void record(const std::filesystem::path& path, const Graph& graph, const Weights& weights,
            const std::vector<Tensor>& frames, int64_t steps) {
  const auto plan = compile(graph, bind_weights(graph, weights), make_cpu_backend(),
                            {Schedule::kLayerMajor, steps + 8, {}});
  Recorder recorder(graph, recorder_options(path, graph));
  Session session(plan);
  for (size_t s = 0; s < frames.size(); ++s) {
    session.reset();
    recorder.begin_sample({static_cast<int64_t>(s), -1, static_cast<int64_t>(s) * steps});
    session.run_chunk(frames[s], steps, 1, plan->look_ahead);
    recorder.chunk(session.last_chunk());
    recorder.end_sample({steps, 0});
  }
  recorder.close();
}

// A trace of random spikes.
void record_random(const std::filesystem::path& path, const Graph& graph, int64_t steps,
                   double density) {
  Recorder recorder(graph, recorder_options(path, graph));
  trace_test::feed(trace_test::make_run(graph, {steps, steps}, density, 1), 1, recorder);
  recorder.close();
}

std::vector<Tensor> golden_images() {
  const Tensor input = load_npy(kGolden + "meta_spikeformer/input.npy");
  std::vector<Tensor> frames;
  for (int64_t b = 0; b < 2; ++b) {
    Tensor& frame = frames.emplace_back(Shape{1, 64, 64, 3});
    for (int64_t c = 0; c < 3; ++c) {
      for (int64_t p = 0; p < 64 * 64; ++p) {
        frame.f32()[static_cast<size_t>(p * 3 + c)] =
            input.f32()[static_cast<size_t>((b * 3 + c) * 64 * 64 + p)];
      }
    }
  }
  return frames;
}

Graph golden_spikeformer() {
  SpikeformerConfig config;
  config.embed_dim = {16, 32, 64, 80};
  config.num_classes = 10;
  config.height = config.width = 64;
  return build_spikeformer(config);
}

Graph golden_lmuformer() {
  LmuformerConfig config;
  config.in_channels = 40;
  config.dim = 48;
  config.num_classes = 12;
  return build_lmuformer(config);
}

std::vector<Tensor> golden_sound() {
  const Tensor input = load_npy(kGolden + "lmuformer/spiking/input.npy");
  std::vector<Tensor> frames;
  for (int64_t b = 0; b < 2; ++b) {
    Tensor& frame = frames.emplace_back(Shape{input.shape()[1], input.shape()[2]});
    std::copy_n(input.f32().begin() + b * frame.size(), frame.size(), frame.f32().begin());
  }
  return frames;
}

// What a trace gives: the network on a chip, its replay, and the counts of the fused graph.
struct Run {
  LoweredNetwork lowered;
  ReplayResult result;
  OpCounts counts;
  RunStatistics statistics;
};

Run price(const std::filesystem::path& path, const ChipSpec& chip,
          Level level = Level::kBottleneck) {
  const TraceFile trace(path);
  const Graph graph = graph_from_json(trace.graph_json(), "trace");
  Run run;
  run.lowered = lower(graph, chip);
  const auto samples = static_cast<int64_t>(trace.samples().size());
  OpCounter counter(graph);
  replay(trace, graph, samples, counter);
  run.statistics = counter.statistics();
  run.counts = count_operations(fuse(graph), run.statistics);
  const ChipNetwork& network = run.lowered.network;
  const Mapping mapping = map_sequential(network, chip);
  check_capacity(network, chip, mapping);
  const ChipSpikes spikes = spikes_of(run.lowered, trace, samples);
  ReplayOptions options;
  options.level = level;
  options.keep_core_traffic = true;
  run.result = replay(network, chip, mapping, spikes, options);
  check_result(network, chip, spikes, run.result);
  return run;
}

// Synaptic events of spikes by the node whose work they are.
std::map<std::string, int64_t> events_by_layer(const Run& run) {
  std::map<std::string, int64_t> events;
  const ChipNetwork& network = run.lowered.network;
  for (size_t q = 0; q < network.projections.size(); ++q) {
    const auto source = static_cast<size_t>(network.projections[q].source);
    if (network.populations[source].payload_bits > 0) continue;
    events[run.lowered.graph.node(run.lowered.layers[q]).name] += run.result.events[q];
  }
  return events;
}

// Deliveries of taps that fall outside the sample, which the chip makes and operation counts leave
// out.
int64_t outside(const Run& run, const LayerCount& layer) {
  const Graph& graph = run.lowered.graph;
  const Node& node = graph.node(*graph.find(layer.name));
  const StepWindow window = window_of(node.op);
  if (window.left + window.right == 0) return 0;
  const PopulationStatistics& spikes =
      run.statistics.populations.at(graph.node(source_of(graph, node.inputs[0])).name);
  const auto steps = static_cast<int64_t>(spikes.events_per_step.size());
  int64_t sum = 0;
  for (int64_t s = 0; s < steps; ++s) {
    for (int64_t t = s - window.right; t <= s + window.left; ++t) {
      if (t < 0 || t >= steps) sum += spikes.events_per_step[static_cast<size_t>(s)];
    }
  }
  return sum * channels_of(node.shape);
}

void check_events(const Run& run) {
  std::map<std::string, int64_t> events = events_by_layer(run);
  int64_t outside_all = 0, total = 0;
  for (const LayerCount& layer : run.counts.layers) {
    INFO(layer.name);
    if (!layer.spike_operand) {
      CHECK(events.count(layer.name) == 0);
      continue;
    }
    CHECK(events.at(layer.name) == layer.event_adds + outside(run, layer));
    outside_all += outside(run, layer);
    total += events.at(layer.name);
  }
  CHECK(total == run.counts.totals.event_adds + outside_all);
  for (const AttentionCount& attention : run.counts.attention) {
    INFO(attention.name);
    CHECK(events.at(attention.name + ".kv") == attention.kv_coincidences);
    CHECK(events.at(attention.name + ".qkv") == attention.qkv_q_gated_adds);
  }
}

std::string refusal(const Graph& graph, const std::string& chip) {
  const ChipSpec spec = load_chip(chip);
  try {
    refuse_host(lower(graph, spec), spec);
  } catch (const Error& error) {
    CHECK(error.code() == ErrorCode::kUsage);
    return error.what();
  }
  return "";
}

const ChipPopulation& population_of(const LoweredNetwork& lowered, const std::string& name) {
  for (const ChipPopulation& population : lowered.network.populations) {
    if (population.name == name) return population;
  }
  FAIL("no population " << name);
  return lowered.network.populations[0];
}

}  // namespace

TEST_CASE("golden Meta-SpikeFormer: events of the chip are the counts of the fused network") {
  const Folder folder;
  record(folder / "t.h5", golden_spikeformer(), load_npz(kGolden + "meta_spikeformer/weights.npz"),
         golden_images(), 4);
  const ChipSpec chip = load_chip("loihi2", {"chip.chips_x=8", "chip.chips_y=8"});
  const Run run = price(folder / "t.h5", chip);
  CHECK(run.lowered.host.empty());
  check_events(run);
  CHECK(run.counts.totals.event_adds > 1000000);
  // The stem is sent once per sample, not once per step.
  const auto& counts = run.counts.layers[0];
  REQUIRE(counts.is_static);
  int64_t stem = -1;
  for (size_t q = 0; q < run.lowered.layers.size(); ++q) {
    if (run.lowered.graph.node(run.lowered.layers[q]).name == counts.name)
      stem = run.result.events[q];
  }
  CHECK(stem > 0);
  CHECK(stem <= counts.dense_macs_once);
  CHECK(stem > counts.dense_macs_once * 9 / 10);  // padding is not delivered
}

TEST_CASE("golden spiking LMUFormer: events of the chip are the counts of the fused network") {
  const Folder folder;
  record(folder / "t.h5", golden_lmuformer(), load_npz(kGolden + "lmuformer/spiking/weights.npz"),
         golden_sound(), 128);
  for (const char* chip : {"loihi1", "loihi1_sanafe", "loihi2", "horowitz45"}) {
    INFO(chip);
    const std::vector<std::string> grid = {"chip.chips_x=4", "chip.chips_y=4"};
    const Run run =
        price(folder / "t.h5",
              load_chip(chip, chip[0] == 'l' ? grid : std::vector<std::string>{"chip.cols=64"}));
    check_events(run);
  }
}

TEST_CASE("random spikes of other networks obey the laws at every level") {
  const Folder folder;
  SpikeformerConfig image;
  image.embed_dim = {4, 8, 8, 16};
  image.depths = {1, 1, 1, 2, 1};
  image.height = image.width = 32;
  image.num_heads = 4;
  image.num_classes = 5;
  image.kd = GENERATE(false, true);
  image.static_input = GENERATE(false, true);
  record_random(folder / "t.h5", build_spikeformer(image), 3, 0.4);
  const ChipSpec chip = load_chip("loihi2", {"chip.chips_x=4", "chip.chips_y=4"});
  const Run first = price(folder / "t.h5", chip, Level::kCounts);
  check_events(first);
  for (const Level level : {Level::kBottleneck, Level::kEvent}) {
    const Run run = price(folder / "t.h5", chip, level);
    CHECK(run.result.by_layer == first.result.by_layer);
    CHECK(run.result.by_core == first.result.by_core);
  }
}

TEST_CASE("neurons take a word of state a slot; those that do not fire go to the host") {
  for (const char* model : {"LIF", "CubaLIF", "CobaLIF"}) {
    Graph graph;
    const NodeId in = graph.add("in", Input{.shape = {6}, .repeated = false, .events = true});
    std::vector<NodeId> currents;
    const NeuronSpec spec = neuron(model);
    for (int i = 0; i < spec.row().inputs; ++i) {
      const std::string name = "fc" + std::to_string(i);
      currents.push_back(graph.add(name, Linear{6, 8, 0, name, ""}, {in}));
    }
    const NodeId cell = graph.add("cell", Neuron{spec}, currents);
    const NodeId out = graph.add("out", Linear{8, 3, 0, "out", ""}, {cell});
    graph.output("logits", graph.add("li", Neuron{neuron("LI")}, {out}));
    const LoweredNetwork lowered = lower(graph, load_chip("loihi2"));
    const auto& populations = lowered.network.populations;
    const auto found = std::find_if(populations.begin(), populations.end(),
                                    [](const ChipPopulation& p) { return p.name == "cell"; });
    REQUIRE(found != populations.end());
    CHECK(found->state_bits == 32 * static_cast<int64_t>(states_of(spec).size()));
    CHECK(lowered.network.projections.size() >= currents.size());
    REQUIRE(!lowered.host.empty());
    CHECK(std::any_of(lowered.host.begin(), lowered.host.end(), [&](const auto& left) {
      return lowered.graph.node(left.node).name == "li";
    }));
  }
}

TEST_CASE("a residual stream lives beside all that read it, and is delivered once") {
  const LoweredNetwork lowered = lower(golden_spikeformer(), load_chip("loihi2"));
  const ChipPopulation& second = population_of(lowered, "ConvBlock1_1.0.lif1");
  REQUIRE(second.beside >= 0);
  const auto root = static_cast<size_t>(second.beside);
  CHECK(lowered.network.populations[root].name == "ConvBlock1_1.0.Conv.lif1");
  CHECK(population_of(lowered, "downsample1_2.encode_lif").beside == second.beside);
  CHECK(population_of(lowered, "ConvBlock1_1.0.lif2").beside == -1);
  CHECK(second.state_bits == 64);
  CHECK(population_of(lowered, "ConvBlock1_1.0.lif2").state_bits == 32);
  // Tokens keep the shape of their map.
  CHECK(population_of(lowered, "block3.0.mlp.fc2_lif").height == 4);
  // Every layer is one projection here: nothing is delivered twice.
  std::map<NodeId, int> projections;
  for (const NodeId layer : lowered.layers) ++projections[layer];
  for (const auto& [layer, count] : projections) {
    const bool products = std::holds_alternative<KtV>(lowered.graph.node(layer).op);
    CHECK(count == (products ? 2 : 1));
  }
}

TEST_CASE("mappings keep a stream together, or are refused") {
  const ChipSpec chip = load_chip("loihi2", {"chip.chips_x=8", "chip.chips_y=8"});
  const LoweredNetwork lowered = lower(golden_spikeformer(), chip);
  Mapping mapping = map_sequential(lowered.network, chip);
  const auto cores = cores_of_neurons(lowered.network, chip, mapping);
  int64_t tied = 0;
  for (size_t p = 0; p < cores.size(); ++p) {
    const int beside = lowered.network.populations[p].beside;
    if (beside < 0) continue;
    CHECK(cores[p] == cores[static_cast<size_t>(beside)]);
    ++tied;
  }
  CHECK(tied > 10);
  for (Box& box : mapping.boxes) {
    if (lowered.network.populations[static_cast<size_t>(box.population)].beside >= 0) box.core = 0;
  }
  CHECK_THROWS_WITH(cores_of_neurons(lowered.network, chip, mapping),
                    Catch::Contains("shares a residual stream with"));
}

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

TEST_CASE("what a chip cannot express is refused by node and operator") {
  CHECK(refusal(golden_spikeformer(), "loihi2").empty());
  CHECK_THAT(
      refusal(golden_spikeformer(), "truenorth"),
      Catch::Contains("block3.0.attn.kv (k^t v): the chip has no unit for outer products") &&
          Catch::Contains("downsample1_1.encode_conv (conv2d k7 s2 p3 g1): its operand is real"));
  CHECK(refusal(golden_lmuformer(), "loihi2").empty());
  LmuformerConfig recurrent;
  recurrent.memory = LmuForm::kRecurrent;
  CHECK_THAT(
      refusal(build_lmuformer(recurrent), "loihi2"),
      Catch::Contains("block.0.attn.lmu.memory (lmu memory recurrent): only the event form"));
  SpikeGptConfig language;
  language.layers = 1;
  language.width = 8;
  language.vocabulary = 77;
  const std::string why = refusal(build_spikegpt(language), "loihi2");
  CHECK_THAT(why, Catch::Contains("emb (embedding): no unit of a core computes it"));
  CHECK_THAT(why, Catch::Contains("(linear): its operand comes from the host"));
}

TEST_CASE("neurons behind the host stay on the chip") {
  const Folder folder;
  SpikeGptConfig language;
  language.layers = 2;
  language.width = 8;
  language.vocabulary = 77;
  const Graph graph = build_spikegpt(language);
  record_random(folder / "t.h5", graph, 6, 0.5);
  const Run run = price(folder / "t.h5", load_chip("horowitz45", {"chip.cols=8"}));
  CHECK(run.lowered.network.projections.empty());
  int64_t neurons = 0, spikes = 0;
  for (const ChipPopulation& population : run.lowered.network.populations) {
    neurons += population.neurons();
    spikes += run.statistics.populations.at(population.name).events;
  }
  CHECK(neurons == 8 * 5);  // embedding, two layers per block
  CHECK(run.result.total().updated == neurons * 12);
  CHECK(run.result.total().fired == spikes);
  // Every weighted layer is on the host's list.
  size_t weighted = 0;
  for (const HostOperation& operation : run.lowered.host)
    weighted += std::holds_alternative<Linear>(run.lowered.graph.node(operation.node).op);
  CHECK(weighted == run.counts.layers.size());
}

TEST_CASE("touched updates leave neurons on a stream alone") {
  LowerOptions options;
  options.update = UpdateRule::kTouched;
  const LoweredNetwork lowered = lower(golden_spikeformer(), load_chip("loihi2"), options);
  CHECK(population_of(lowered, "ConvBlock1_1.0.lif2").update == UpdateRule::kTouched);
  CHECK(population_of(lowered, "ConvBlock1_1.0.lif1").update == UpdateRule::kAll);
}
