#include "tests/chip/lowered_run.hpp"

#include "core/error.hpp"
#include "hw_model/chip/mapper.hpp"
#include "models/lmuformer/lmuformer.hpp"
#include "models/spikeformer/spikeformer.hpp"
#include "sim/backends/cpu/cpu.hpp"
#include "sim/counts/op_counter.hpp"
#include "sim/graph/fuse.hpp"
#include "sim/plan/session.hpp"
#include "sim/trace/graph_json.hpp"
#include "sim/trace/replay.hpp"
#include "tests/catch.hpp"

namespace spikeloom::lower_test {
namespace {

RecorderOptions recorder_options(const std::filesystem::path& path, const Graph& graph) {
  RecorderOptions options = trace_test::options_for(path);
  options.graph_json = graph_to_json(graph, nullptr);
  return options;
}

}  // namespace

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

void record_random(const std::filesystem::path& path, const Graph& graph, int64_t steps,
                   double density) {
  Recorder recorder(graph, recorder_options(path, graph));
  trace_test::feed(trace_test::make_run(graph, {steps, steps}, density, 1), 1, recorder);
  recorder.close();
}

Run price(const std::filesystem::path& path, const ChipSpec& chip, Level level) {
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

}  // namespace spikeloom::lower_test
