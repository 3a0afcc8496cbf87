// spikeloom run: one experiment from its TOML file to its output folder.

#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <nlohmann/json.hpp>

#include "cli/experiment.hpp"
#include "cli/feature_writers.hpp"
#include "cli/interrupt.hpp"
#include "cli/network.hpp"
#include "cli/options.hpp"
#include "cli/progress.hpp"
#include "cli/sample_loop.hpp"
#include "cli/version.hpp"
#include "core/hash.hpp"
#include "core/io/file.hpp"
#include "core/io/json.hpp"
#include "core/io/npy.hpp"
#include "core/io/weights_file.hpp"
#include "hw_model/report/report.hpp"
#include "models/ann/dense_twin.hpp"
#include "sim/graph/fuse.hpp"
#include "sim/trace/graph_json.hpp"
#include "sim/trace/op_counter.hpp"
#include "sim/trace/recorder.hpp"
#include "sim/trace/signature.hpp"

namespace spikeloom {
namespace {

namespace fs = std::filesystem;

int64_t steps_of(const Experiment& experiment, const DatasetInfo& data) {
  const int64_t steps = experiment.model.time_steps;
  if (data.frames > 1 && data.frames != steps) {
    throw Error(
        ErrorCode::kUsage,
        fmt::format("model.time_steps is {}, but every sample has {} frames", steps, data.frames));
  }
  return steps;
}

int64_t argmax(std::span<const float> values) {
  return std::max_element(values.begin(), values.end()) - values.begin();
}

std::unique_ptr<Recorder> make_recorder(const Experiment& experiment, const Network& network,
                                        const std::string& config_json, int64_t steps) {
  if (!experiment.trace.enabled) return nullptr;
  RecorderOptions options;
  options.path = experiment.output.dir / "trace.h5";
  options.layers = experiment.trace.layers;
  options.every = experiment.trace.every;
  options.samples = experiment.trace.samples;
  options.events_auto = experiment.trace.events_auto;
  options.events = experiment.trace.events;
  options.config_json = config_json;
  options.graph_json = graph_to_json(network.model.graph, &network.model.weights);
  options.config_sha256 = sha256_hex(config_json);
  options.run_id = sha256_hex(options.config_sha256 + network.weights_hash).substr(0, 16);
  options.generator = fmt::format("spikeloom {}", kVersion);
  options.steps_per_sample = steps;
  return std::make_unique<Recorder>(network.model.graph, options);
}

struct RunResult {
  int64_t samples = 0;
  Accuracy accuracy;
  RunStatistics statistics;
  std::string signature;
  std::string backend, simd;
  double seconds = 0;
};

void count_prediction(Accuracy& accuracy, int64_t label, int64_t prediction) {
  if (label < 0) return;
  accuracy.known = true;
  ++accuracy.total;
  accuracy.correct += label == prediction;
}

std::string accuracy_note(const Accuracy& accuracy) {
  return accuracy.known ? fmt::format("accuracy {:.2f} %", 100 * accuracy.fraction()) : "";
}

// Runs the spiking network over the dataset and writes trace, logits and features.
RunResult run_network(const Experiment& experiment, Network& network, const Dataset& dataset,
                      int64_t steps, const std::string& config_json, bool quiet) {
  const fs::path& dir = experiment.output.dir;
  const Graph& graph = network.model.graph;
  auto recorder = make_recorder(experiment, network, config_json, steps);
  FeatureWriters features(graph, experiment.output.features, dir, steps);
  NpyWriter logits(dir / "logits.npy", {experiment.model.spikeformer.num_classes});

  const auto backend = make_backend(experiment.run.device);
  const int64_t chunk = std::min(steps, kMaxChunkSteps);
  const auto plan =
      compile(graph, network.model.weights, backend, {experiment.run.schedule, chunk, {}});
  network.model.weights = {};  // packed by now

  OpCounter counter(graph);
  Signature signature(graph);
  std::vector<TraceSink*> sinks = {&counter, &signature};
  if (recorder) sinks.push_back(recorder.get());
  RunResult result;
  result.backend = backend->name();
  result.simd = backend->simd();
  Progress progress("run", dataset.info().size, quiet);
  const NodeId output = *graph.find_output("logits");
  const auto start = std::chrono::steady_clock::now();
  LoopCallbacks callbacks;
  callbacks.begin = [&](int64_t index, const Sample& sample) {
    for (TraceSink* sink : sinks) sink->begin_sample({index, sample.label, index * steps});
  };
  callbacks.chunk = [&](const Session& session) {
    for (TraceSink* sink : sinks) sink->chunk(session.last_chunk());
    features.chunk(session);
  };
  callbacks.end = [&](int64_t index, const Sample& sample, const Session& session) {
    const Tensor values = session.value(output, session.last_chunk().steps - 1);
    const int64_t prediction = argmax(values.f32());
    for (TraceSink* sink : sinks) sink->end_sample({steps, prediction});
    logits.append(values.f32());
    features.end_sample();
    count_prediction(result.accuracy, sample.label, prediction);
    progress.update(index + 1, accuracy_note(result.accuracy));
  };
  result.samples =
      run_samples(plan, dataset, {steps, experiment.run.batch, experiment.run.threads}, callbacks);
  result.seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
  result.statistics = counter.statistics();
  result.signature = signature.text();
  if (recorder) {
    recorder->set_signature(result.signature);
    recorder->close();
  }
  logits.finish();
  features.finish();
  return result;
}

// Executes the dense twin where weights exist.
TwinInfo run_twin(const Experiment& experiment, const Graph& twin, const Dataset& dataset,
                  bool quiet) {
  TwinInfo info;
  info.description = "same topology, ReLU for LIF, softmax attention, one pass";
  if (experiment.twin_weights.empty()) return info;
  const Weights weights = load_for(twin, experiment.twin_weights);
  info.weights_sha256 = weights_hash(weights);
  const auto plan =
      compile(twin, weights, make_backend(experiment.run.device), {Schedule::kLayerMajor, 1, {}});
  const NodeId output = *twin.find_output("logits");
  Progress progress("dense twin", dataset.info().size, quiet);
  LoopCallbacks callbacks;
  callbacks.begin = [](int64_t, const Sample&) {};
  callbacks.chunk = [](const Session&) {};
  callbacks.end = [&](int64_t index, const Sample& sample, const Session& session) {
    count_prediction(info.accuracy, sample.label, argmax(session.value(output, 0).f32()));
    progress.update(index + 1, accuracy_note(info.accuracy));
  };
  run_samples(plan, dataset, {1, experiment.run.batch, experiment.run.threads}, callbacks);
  return info;
}

ReportInput describe_run(const Experiment& experiment, const Network& network,
                         const RunResult& result, const nlohmann::json& config, int64_t steps,
                         int64_t requested) {
  ReportInput input;
  input.version = kVersion;
  input.generator = fmt::format("spikeloom {}", kVersion);
  input.config = config;
  input.config_sha256 = sha256_hex(dump_json(config));
  input.weights_sha256 = network.weights_hash;
  input.weights_trained = !network.random && experiment.weights.trained;
  input.weights_random = network.random;
  input.weights_text = network.weights_note;
  input.backend = result.backend;
  input.simd = result.simd;
  input.schedule = experiment.run.schedule == Schedule::kLayerMajor ? "layer-major" : "step-major";
  input.threads = experiment.run.threads;
  input.batch = experiment.run.batch;
  input.rate_source =
      fmt::format("spikes of this run, {} samples x {} steps", result.samples, steps);
  input.wall_seconds = result.seconds;
  if (result.samples < requested) {
    input.warnings.push_back(
        fmt::format("interrupted after {} of {} samples", result.samples, requested));
  }
  input.counts.as_written = count_run(network.as_written, result.statistics);
  input.counts.fused = count_run(fuse(network.as_written), result.statistics);
  input.counts.dense_same = count_dense_run(network.as_written, result.samples);
  input.counts.executed_form = network.model.graph.form;
  input.counts.steps = steps;
  input.accuracy = result.accuracy;
  input.signature = result.signature;
  return input;
}

void make_output_folder(const fs::path& dir) {
  std::error_code error;
  fs::create_directories(dir, error);
  if (error)
    throw Error(ErrorCode::kRuntime, fmt::format("{}: cannot create the output folder: {}",
                                                 dir.string(), error.message()));
}

// The first line of the table says who wins: red or green where colour is allowed.
std::string emphasise_verdict(const std::string& table) {
  if (!colour_allowed(STDOUT_FILENO)) return table;
  const size_t end = table.find('\n');
  const char* colour = table.starts_with("LOSES") ? "\x1b[1;31m" : "\x1b[1;32m";
  return colour + table.substr(0, end) + "\x1b[0m" + table.substr(end);
}

int run_experiment(Config config, bool quiet) {
  const Experiment experiment = read_experiment(config);
  const nlohmann::json resolved = config.resolved();
  const auto dataset = open_dataset(experiment.dataset);
  const int64_t steps = steps_of(experiment, dataset->info());
  for (const int64_t index : experiment.trace.samples) {
    if (index >= dataset->info().size) {
      throw config.error_at("trace.samples", fmt::format("there is no sample {}, the run has {}",
                                                         index, dataset->info().size));
    }
  }
  Network network = make_network(experiment, dataset->info());
  make_output_folder(experiment.output.dir);
  // Created before the run, so that a folder which refuses them does so at once.
  OutputFile json_file(experiment.output.dir / "report.json");
  OutputFile csv_file(experiment.output.dir / "report.csv");

  const RunResult result =
      run_network(experiment, network, *dataset, steps, dump_json(resolved), quiet);
  if (result.samples == 0)
    throw Error(ErrorCode::kInterrupted, "interrupted before the first sample ended");
  ReportInput input =
      describe_run(experiment, network, result, resolved, steps, dataset->info().size);
  input.dataset = dataset->info().description;
  if (dataset->info().frames == 1) {
    const Graph twin = dense_twin(network.as_written);
    input.counts.dense_twin = count_dense_run(twin, result.samples);
    if (!interrupted()) input.twin = run_twin(experiment, twin, *dataset, quiet);
    if (interrupted() && !experiment.twin_weights.empty()) {
      input.warnings.push_back("interrupted: the dense twin saw only a part of the samples");
    }
  }
  const Report report = make_report(std::move(input));
  json_file.write(dump_json(to_json(report)));
  csv_file.write(to_csv(report));
  json_file.commit();
  csv_file.commit();
  if (!quiet) {
    fmt::print("{}\noutput folder {}\nsignature {} ({})\n", emphasise_verdict(to_table(report)),
               experiment.output.dir.string(), result.signature, network.model.graph.form);
  }
  if (interrupted()) {
    fmt::print(
        stderr,
        "spikeloom: interrupted after {} of {} samples; what ended is in the output folder\n",
        result.samples, dataset->info().size);
    return exit_code(ErrorCode::kInterrupted);
  }
  return 0;
}

}  // namespace

int command_run(const Arguments& arguments) {
  CommandLine line;
  line.usage = "spikeloom run EXPERIMENT.toml [--set key=value]... [--quiet]";
  line.about =
      "Runs the network of an experiment file over its dataset, event by event. The output folder "
      "receives\n"
      "report.json, report.csv, logits.npy, trace.h5 and the feature maps asked for. "
      "SPIKELOOM_SIMD forces a\n"
      "SIMD target. docs/experiment.md lists every key.";
  line.named.add_options()("set", options::value<std::vector<std::string>>()->composing(),
                           "override a key: --set run.threads=2")("quiet,q",
                                                                  "print nothing but errors");
  line.hidden.add_options()("experiment", options::value<std::string>()->required());
  line.words.add("experiment", 1);
  const auto values = parse(line, arguments);
  if (!values) return 0;
  Config config = Config::load((*values)["experiment"].as<std::string>());
  if (values->count("set")) {
    for (const std::string& assignment : (*values)["set"].as<std::vector<std::string>>())
      config.set(assignment);
  }
  return run_experiment(std::move(config), values->count("quiet") > 0);
}

}  // namespace spikeloom
