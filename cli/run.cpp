// spikeloom run: one experiment from its TOML file to its output folder.

#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <cstdlib>
#include <nlohmann/json.hpp>
#include <set>

#include "cli/experiment.hpp"
#include "cli/interrupt.hpp"
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
#include "sim/backends/cpu/cpu.hpp"
#include "sim/backends/reference/reference.hpp"
#include "sim/graph/fuse.hpp"
#include "sim/graph/random_weights.hpp"
#include "sim/trace/graph_json.hpp"
#include "sim/trace/op_counter.hpp"
#include "sim/trace/recorder.hpp"
#include "sim/trace/signature.hpp"

namespace spikeloom {
namespace {

namespace fs = std::filesystem;

constexpr std::string_view kLogits = "logits";  // output of every network, always written

std::shared_ptr<const Backend> make_backend(const std::string& device) {
  if (device == "reference") return make_reference_backend();
  const char* simd = std::getenv("SPIKELOOM_SIMD");
  return make_cpu_backend(simd == nullptr ? "" : simd);
}

// The network in the form that runs, with where its weights come from.
struct Network {
  Graph as_written;
  Model model;
  std::string weights_hash, weights_note;
  bool random = false;
};

Weights load_for(const Graph& graph, const fs::path& path) {
  const Weights stored = load_weights(path);
  try {
    return bind_weights(graph, stored);
  } catch (const Error& error) {
    throw error.in(path.string());
  }
}

// Refuses what cannot fit before anything is allocated: memory that is merely promised ends in the
// hands of the system's out-of-memory killer.
void check_memory(const Graph& graph, int64_t sessions) {
  auto values = static_cast<double>(parameter_count(graph));
  for (const Node& node : graph.nodes()) {
    for (const StateSlot& slot : state_of(node)) {
      values += static_cast<double>(element_count(slot.shape)) * static_cast<double>(sessions);
    }
  }
  const double needed = values * sizeof(float);
  const double present =
      static_cast<double>(sysconf(_SC_PHYS_PAGES)) * static_cast<double>(sysconf(_SC_PAGE_SIZE));
  if (needed > present) {
    throw Error(
        ErrorCode::kCapacity,
        fmt::format("weights and neurons need {:.1f} GB, this machine has {:.1f} GB of memory",
                    needed / 1e9, present / 1e9));
  }
}

Network make_network(const Experiment& experiment, const DatasetInfo& data) {
  SpikeformerConfig config = experiment.model.spikeformer;
  config.height = data.height;
  config.width = data.width;
  config.static_input = data.frames == 1;
  if (config.in_channels != data.channels) {
    throw Error(ErrorCode::kUsage,
                fmt::format("model.in_channels is {}, but the dataset has {} channels",
                            config.in_channels, data.channels));
  }
  Network network;
  network.as_written = build_spikeformer(config);
  check_memory(network.as_written, std::min(experiment.run.batch, data.size));
  network.random = experiment.weights.path.empty();
  const auto seed = static_cast<uint64_t>(experiment.weights.random_seed);
  Weights weights = network.random ? random_weights(network.as_written, seed)
                                   : load_for(network.as_written, experiment.weights.path);
  network.weights_hash = weights_hash(weights);
  network.weights_note =
      network.random ? fmt::format("random weights, seed {}", seed) : experiment.weights.note;
  if (network.weights_note.empty())
    network.weights_note = experiment.weights.path.filename().string();
  if (experiment.run.form == "fused") {
    network.model = fuse(network.as_written, weights, experiment.run.threads);
  } else {
    network.model = {network.as_written, std::move(weights)};
  }
  return network;
}

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

// Streams the named feature maps: <name>.npy, [samples, steps, C, H, W] (logits-like vectors:
// [samples, steps, C]).
class FeatureWriters {
 public:
  FeatureWriters(const Graph& graph, const std::vector<std::string>& names, const fs::path& dir,
                 int64_t steps) {
    std::string known;
    for (const auto& [name, node] : graph.outputs()) {
      if (name != kLogits) known.append(known.empty() ? "" : ", ").append(name);
    }
    for (const std::string& name : names) {
      const auto node = graph.find_output(name);
      if (name == kLogits) {
        throw Error(ErrorCode::kUsage, "output.features: logits.npy is always written");
      }
      if (std::count(names.begin(), names.end(), name) > 1) {
        throw Error(ErrorCode::kUsage, "output.features: '" + name + "' is named twice");
      }
      if (!node)
        throw Error(ErrorCode::kUsage,
                    "output.features: no feature '" + name + "'; there are " + known);
      const Shape& shape = graph.node(*node).shape;
      Shape row = {steps, channels_of(shape)};
      row.insert(row.end(), shape.begin(), shape.end() - 1);
      features_.push_back({*node, std::make_unique<NpyWriter>(dir / (name + ".npy"), row), {}});
    }
  }
  void chunk(const Session& session) {
    for (Feature& feature : features_) {
      for (int64_t t = 0; t < session.last_chunk().steps; ++t) {
        const Tensor value = session.value(feature.node, t);
        const int64_t rows = rows_of(value.shape()), channels = channels_of(value.shape());
        for (int64_t c = 0; c < channels; ++c) {
          for (int64_t r = 0; r < rows; ++r)
            feature.row.push_back(value.f32()[static_cast<size_t>(r * channels + c)]);
        }
      }
    }
  }
  void end() {
    for (Feature& feature : features_) {
      feature.file->append(feature.row);
      feature.row.clear();
    }
  }
  void finish() {
    for (Feature& feature : features_) feature.file->finish();
  }

 private:
  struct Feature {
    NodeId node;
    std::unique_ptr<NpyWriter> file;
    std::vector<float> row;
  };
  std::vector<Feature> features_;
};

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
    features.end();
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
    fmt::print("{}\noutput folder {}\nsignature {} ({})\n", to_table(report),
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
