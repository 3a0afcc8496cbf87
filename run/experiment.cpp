#include "run/experiment.hpp"
#include "run/device.hpp"

#include <fmt/format.h>

#include <algorithm>

#include "core/error.hpp"
#include "core/parallel.hpp"
#include "datasets/events/recording.hpp"
#include "datasets/events/steps.hpp"

namespace spikeloom {
namespace {

Experiment::WeightSource read_weights(Config& config) {
  Experiment::WeightSource weights;
  weights.path = config.path_of("weights.path", "");
  weights.select = config.text("weights.select", "");
  if (weights.path.empty() && !weights.select.empty()) {
    throw config.error_at("weights.select",
                          "random weights are one set; weights.path names a file");
  }
  weights.ignore = config.text_or_texts("weights.ignore", {});
  if (weights.path.empty() && !weights.ignore.empty() && !config.has("twin.weights"))
    throw config.error_at("weights.ignore", "there is no file of weights to leave tensors out of");
  weights.random_seed = config.integer("weights.random_seed", 1, 0);
  weights.trained = config.flag("weights.trained", false);
  weights.note = config.text("weights.note", "");
  return weights;
}

// `dataset.events`: 0 and 1. `dataset.levels`: from where to where counts of events go.
std::optional<LevelRange> read_events(Config& config) {
  const bool spikes = config.flag("dataset.events", false);
  const std::vector<int64_t> range = config.integers("dataset.levels", {}, -kMostLevel);
  if (range.empty()) return spikes ? std::optional(LevelRange()) : std::nullopt;
  if (spikes)
    throw config.error_at("dataset.levels",
                          "and dataset.events = true: values are levels or spikes");
  if (range.size() != 2 || range[0] > 0 || range[1] < 0 || range[0] == range[1] ||
      range[1] > kMostLevel)
    throw config.error_at("dataset.levels",
                          fmt::format("must be the least and the most a value can be, [0, 15], "
                                      "with 0 among them and at most {}",
                                      kMostLevel));
  return LevelRange{range[0], range[1]};
}

EventOptions read_event_options(Config& config) {
  EventOptions event;
  event.recording = read_recording_options(config);
  event.steps = config.text("dataset.steps", "");
  event.value = config.choice("dataset.value", event.value, {"count", "binary", "signed"});
  event.time_arithmetic =
      config.choice("dataset.time_arithmetic", event.time_arithmetic, {"double", "stored"});
  return event;
}

// What the file can be told for before anything is opened.
void check_event_options(const Config& config, const DatasetSpec& dataset) {
  if (dataset.kind != "events") return;
  try {
    parse_step_rule(dataset.event.steps);
  } catch (const Error& error) {
    throw config.error_at("dataset.steps", error.what());
  }
}

DatasetSpec read_dataset(Config& config) {
  std::vector<std::string> kinds;
  for (const DatasetKind& kind : dataset_kinds()) kinds.emplace_back(kind.name);
  DatasetSpec dataset;
  dataset.kind = config.require_choice("dataset.kind", kinds);
  dataset.path = config.require_path("dataset.path");
  dataset.labels = config.path_of("dataset.labels", "");
  dataset.limit = config.integer("dataset.limit", -1, -1);
  dataset.skip = config.integer("dataset.skip", 0, 0);
  dataset.pad = config.integer("dataset.pad", 0, 0, 4096);
  dataset.classes = config.integer("dataset.classes", 0, 0, 1000000);
  dataset.mean = config.real_or_reals("dataset.mean", {});
  dataset.std = config.real_or_reals("dataset.std", {});
  dataset.events = read_events(config);
  dataset.split = config.text("dataset.split", "");
  dataset.pattern = config.text("dataset.pattern", "");
  dataset.label_field = config.text("dataset.label_field", "");
  dataset.where = config.text_or_texts("dataset.where", {});
  dataset.permutation = config.path_of("dataset.permutation", "");
  dataset.follow_links = config.flag("dataset.follow_links", false);
  dataset.size = config.integer("dataset.size", 0, 0, kMaxImageTarget);
  dataset.crop = config.integer("dataset.crop", 0, 0, kMaxImageTarget);
  dataset.crop_rule = config.choice("dataset.crop_rule", dataset.crop_rule, kCropRuleNames);
  dataset.event = read_event_options(config);
  check_event_options(config, dataset);
  return dataset;
}

Experiment::Run read_run(Config& config) {
  Experiment::Run run;
  const std::string device = config.text("run.device", "auto");
  const auto chosen = choose_device(device);
  if (!chosen) throw config.error_at("run.device", device_fault(device));
  run.device = chosen->device;
  run.device_reason = chosen->reason;
  const int cores = available_threads();
  run.threads = static_cast<int>(config.integer("run.threads", 0, 0, 1024));
  if (run.threads == 0) run.threads = cores;
  run.schedule = config.choice("run.schedule", run.schedule, kScheduleNames);
  run.form = config.choice("run.form", run.form, kGraphFormNames);
  run.batch = config.integer("run.batch", 0, 0, 4096);
  if (run.batch == 0) run.batch = run.threads;
  run.precision = read_precision(config);
  return run;
}

Experiment::Trace read_trace(Config& config) {
  Experiment::Trace trace;
  trace.layers = config.text_or_texts("trace.layers", {"all"});
  trace.enabled = !trace.layers.empty() && trace.layers != std::vector<std::string>{"none"};
  if (trace.layers == std::vector<std::string>{"all"}) trace.layers.clear();
  trace.every = config.integer("trace.every", 1, 1);
  trace.samples = config.indices("trace.samples");
  trace.events = config.text_or_texts("trace.events", {"auto"});
  trace.events_auto = trace.events == std::vector<std::string>{"auto"};
  if (trace.events_auto || trace.events == std::vector<std::string>{"none"}) trace.events.clear();
  trace.events_gzip = config.choice("trace.event_compression", "gzip", {"gzip", "none"}) == "gzip";
  return trace;
}

Experiment::Output read_output(Config& config, bool logits) {
  Experiment::Output output;
  output.dir = config.path_of("output.dir", "out").lexically_normal();
  if (output.dir.empty()) throw config.error_at("output.dir", "is the empty text");
  output.features = config.text_or_texts("output.features", {});
  output.membranes = config.text_or_texts("output.membranes", {});
  output.logits = config.flag("output.logits", logits);
  output.checkpoint_s = config.real("output.checkpoint_s", 1.0, 0.0, 86400.0);
  return output;
}

Experiment::Tokens read_tokens(Config& config) {
  Experiment::Tokens tokens;
  tokens.kind = config.require_choice<TokenFile>("dataset.kind", kTokenFileNames);
  tokens.path = config.require_path("dataset.path");
  const std::string vocab = config.text("dataset.vocab", "");
  tokens.vocab = vocab.empty() || vocab == "bytes"
                     ? vocab
                     : config.resolve_path("dataset.vocab", vocab).string();
  if (config.has("dataset.split")) {
    const std::vector<std::string> splits(std::begin(kTextSplits), std::end(kTextSplits));
    tokens.split = config.choice("dataset.split", "", splits);
    if (tokens.kind != TokenFile::kText)
      throw config.error_at("dataset.split", "only a text has parts");
  }
  tokens.window = config.integer("dataset.window", 1024, 0);
  tokens.limit = config.integer("dataset.limit", -1, -1);
  tokens.skip = config.integer("dataset.skip", 0, 0);
  return tokens;
}

void read_twin(Config& config, Experiment& experiment) {
  experiment.twin_weights = config.path_of("twin.weights", "");
  experiment.twin_select = config.text("twin.select", "");
  if (experiment.twin_weights.empty() && !experiment.twin_select.empty()) {
    throw config.error_at("twin.select", "the twin has no weights; twin.weights names a file");
  }
}

// What a run over tokens cannot have, each with its reason.
void check_tokens(const Experiment& experiment) {
  if (experiment.neurobench)
    throw experiment.error_at("report.neurobench", "a time mix has no NeuroBench count");
  if (experiment.output.per_step) {
    throw experiment.error_at("output.per_step",
                              "of token arrays, logits.npy holds every step already");
  }
  if (!experiment.weights.path.empty()) return;
  try {
    experiment.model.family->checkpoint.complete(experiment.model.spec, nullptr,
                                                 {.frames = experiment.tokens.window});
  } catch (const Error& error) {
    throw experiment.error_at("model.family", error.what());
  }
}

// Values that a file could not have.
void check_values(const Experiment& experiment) {
  const Experiment::Run& run = experiment.run;
  if (experiment.model.family == nullptr) throw experiment.error_at("model.family", "is not given");
  ModelSpec spec = experiment.model.spec;
  auto fault = range_fault(experiment.model.family->keys(spec));
  if (!fault) fault = experiment.model.family->check(spec);
  if (fault)
    throw experiment.error_at(key_in_file(experiment.model, fault->keys[0]), fault->message);
  if (run.threads < 1 || run.batch < 1)
    throw experiment.error_at(run.threads < 1 ? "run.threads" : "run.batch", "must be positive");
  if (experiment.trace.every < 1) throw experiment.error_at("trace.every", "must be positive");
  if (experiment.output.dir.empty()) throw experiment.error_at("output.dir", "is the empty text");
}

}  // namespace

RecordingOptions read_recording_options(Config& config) {
  RecordingOptions recording;
  std::vector<std::string> formats{"auto"};
  for (const RecordingFormat& format : recording_formats()) formats.emplace_back(format.name);
  recording.format = config.choice("dataset.format", recording.format, formats);
  recording.sensor = config.integers("dataset.sensor", {}, 1);
  recording.orientation =
      config.choice("dataset.orientation", recording.orientation, {"spikingjelly", "tonic"});
  recording.columns = config.text("dataset.columns", "");
  recording.time_unit =
      config.choice("dataset.time_unit", recording.time_unit, {"s", "ms", "us", "ns"});
  const size_t sides = recording.sensor.size();
  if (sides != 0 && sides != 2)
    throw config.error_at("dataset.sensor", "must be width and height, such as [128, 128]");
  return recording;
}

Experiment read_experiment(Config config, NpyMemory samples, const NpyMemory* labels) {
  const bool tokens = read_family(config).sample == SampleKind::kTokens;
  const auto set = [&](const char* key, const std::string& value) {
    config.set(fmt::format("dataset.{}={}", key, nlohmann::json(value).dump()));
  };
  if (tokens && labels != nullptr)
    throw config.error_at("dataset.labels", "tokens have none: each is the answer to those before");
  set("kind", tokens ? kTokenFileNames[static_cast<size_t>(TokenFile::kTokens)] : "npy");
  set("path", samples.name);
  if (labels != nullptr || config.has("dataset.labels"))
    set("labels", labels == nullptr ? "" : labels->name);
  Experiment experiment = read_experiment(std::move(config));
  auto values = std::make_shared<const NpyMemory>(std::move(samples));
  (tokens ? experiment.tokens.ids : experiment.dataset.values) = std::move(values);
  if (labels != nullptr)
    experiment.dataset.label_values = std::make_shared<const NpyMemory>(*labels);
  return experiment;
}

Error Experiment::error_at(const std::string& key, const std::string& message) const {
  if (file != nullptr) return file->error_at(key, message);
  return {ErrorCode::kUsage, "key '" + key + "': " + message, {"", 0, 0, key, ""}};
}

void check_trace_samples(const Experiment& experiment, int64_t samples) {
  for (const int64_t index : experiment.trace.samples) {
    if (index < samples) continue;
    throw experiment.error_at("trace.samples",
                              fmt::format("there is no sample {}, the run has {}", index, samples));
  }
}

Experiment read_experiment(Config config) {
  Experiment experiment;
  experiment.model = read_model(config);
  const bool tokens = experiment.reads_tokens();
  if (tokens) {
    experiment.tokens = read_tokens(config);
  } else {
    experiment.dataset = read_dataset(config);
  }
  experiment.weights = read_weights(config);
  experiment.run = read_run(config);
  experiment.trace = read_trace(config);
  experiment.output = read_output(config, !tokens || experiment.tokens.kind == TokenFile::kTokens);
  if (experiment.model.family->twin.build != nullptr || !tokens) read_twin(config, experiment);
  experiment.what_if = read_what_if(config, experiment.run.device);
  experiment.chip = read_chip_choice(config);
  experiment.neurobench = config.flag("report.neurobench", false);
  experiment.output.per_step = config.flag("output.per_step", false);
  config.reject_unknown();
  experiment.config = config.resolved();
  experiment.as_read = config_of(experiment);
  experiment.file = std::make_shared<Config>(std::move(config));
  check_experiment(experiment);
  return experiment;
}

void check_experiment(const Experiment& experiment) {
  check_values(experiment);
  if (experiment.what_if.weight_bits > 0 && experiment.run.precision.precision != Precision::kF32) {
    throw experiment.error_at("run.precision",
                              "what_if.weight_bits rounds the weights already: fp32");
  }
  if (experiment.model.family->given != nullptr && !experiment.weights.path.empty()) {
    throw experiment.error_at("weights.path", fmt::format("the weights of {} are in its own file",
                                                          experiment.model.family->title));
  }
  if (experiment.model.family->arrays.take != nullptr && experiment.weights.path.empty())
    throw experiment.error_at("weights.path", "is not given: layers are made of its arrays");
  if (experiment.reads_tokens()) return check_tokens(experiment);
  if (!experiment.output.logits)
    throw experiment.error_at("output.logits", "logits.npy is always written");
}

void fit_to(Experiment& experiment, const DatasetInfo& data) {
  const auto fit = experiment.model.family->fit;
  if (fit != nullptr) experiment.model.spec = fit(experiment.model.spec, shape_of(data));
}

DatasetSpec dataset_of(const Experiment& experiment) {
  DatasetSpec spec = experiment.dataset;
  const ModelShape shape = experiment.model.shape();
  if (spec.classes == 0) spec.classes = shape.classes;
  spec.steps = shape.length;
  spec.frames = shape.length > 0 && !shape.whole ? shape.length : shape.steps;
  return spec;
}

Tokenizer tokenizer_for(const std::string& vocab, int64_t vocabulary, const char* option) {
  if (vocab.empty() && vocabulary != 256) {
    throw Error(ErrorCode::kUsage,
                fmt::format("{} is needed: the network knows {} tokens, which are no bytes", option,
                            vocabulary));
  }
  const bool bytes = vocab.empty() || vocab == "bytes";
  Tokenizer tokenizer = bytes ? Tokenizer(ByteTokenizer{}) : load_tokenizer(vocab);
  if (vocabulary_of(tokenizer) > vocabulary) {
    throw Error(ErrorCode::kData,
                fmt::format("{} has {} tokens, the network {}", bytes ? "bytes" : vocab,
                            vocabulary_of(tokenizer), vocabulary));
  }
  return tokenizer;
}

}  // namespace spikeloom
