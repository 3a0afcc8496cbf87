#include "cli/experiment.hpp"

#include <fmt/format.h>

#include <algorithm>

#include "core/parallel.hpp"

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
  dataset.events = config.flag("dataset.events", false);
  dataset.split = config.text("dataset.split", "");
  dataset.pattern = config.text("dataset.pattern", "");
  dataset.label_field = config.text("dataset.label_field", "");
  dataset.where = config.text_or_texts("dataset.where", {});
  dataset.permutation = config.path_of("dataset.permutation", "");
  dataset.follow_links = config.flag("dataset.follow_links", false);
  dataset.size = config.integer("dataset.size", 0, 0, kMaxImageTarget);
  dataset.crop = config.integer("dataset.crop", 0, 0, kMaxImageTarget);
  dataset.crop_rule = config.choice("dataset.crop_rule", "round_half_even",
                                    {"round_half_even", "floor_plus_half"}) == "round_half_even"
                          ? CropRule::kRoundHalfEven
                          : CropRule::kFloorPlusHalf;
  return dataset;
}

Experiment::Run read_run(Config& config) {
  Experiment::Run run;
  run.device = config.choice("run.device", "auto", {"auto", "cpu", "reference"});
  if (run.device == "auto") run.device = "cpu";
  const int cores = available_threads();
  run.threads = static_cast<int>(config.integer("run.threads", 0, 0, 1024));
  if (run.threads == 0) run.threads = cores;
  run.schedule =
      config.choice("run.schedule", "layer-major", {"layer-major", "step-major"}) == "layer-major"
          ? Schedule::kLayerMajor
          : Schedule::kStepMajor;
  run.form = config.choice("run.form", "as_written", {"as_written", "fused"});
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

}  // namespace

void read_common(Config& config, bool logits, CommonExperiment& experiment) {
  experiment.weights = read_weights(config);
  experiment.run = read_run(config);
  experiment.trace = read_trace(config);
  experiment.output = read_output(config, logits);
}

void read_twin(Config& config, CommonExperiment& experiment) {
  experiment.twin_weights = config.path_of("twin.weights", "");
  experiment.twin_select = config.text("twin.select", "");
  if (experiment.twin_weights.empty() && !experiment.twin_select.empty()) {
    throw config.error_at("twin.select", "the twin has no weights; twin.weights names a file");
  }
}

void check_trace_samples(const Config& config, const Experiment::Trace& trace, int64_t samples) {
  for (const int64_t index : trace.samples) {
    if (index < samples) continue;
    throw config.error_at("trace.samples",
                          fmt::format("there is no sample {}, the run has {}", index, samples));
  }
}

Experiment read_experiment(Config& config) {
  Experiment experiment;
  experiment.model = read_model(config);
  read_common(config, true, experiment);
  if (experiment.model.family->sample == SampleKind::kTokens) {
    throw config.error_at("model.family", fmt::format("{} reads tokens: only run and generate do",
                                                      experiment.model.family->name));
  }
  read_twin(config, experiment);
  experiment.dataset = read_dataset(config);
  experiment.what_if = read_what_if(config, experiment.run.device);
  if (experiment.what_if.weight_bits > 0 && experiment.run.precision.precision != Precision::kF32) {
    throw config.error_at("run.precision", "what_if.weight_bits rounds the weights already: fp32");
  }
  experiment.chip = read_chip_choice(config);
  experiment.neurobench = config.flag("report.neurobench", false);
  if (!experiment.output.logits)
    throw config.error_at("output.logits", "logits.npy is always written");
  experiment.output.per_step = config.flag("output.per_step", false);
  config.reject_unknown();
  const ModelShape shape = experiment.model.shape();
  if (experiment.dataset.classes == 0) experiment.dataset.classes = shape.classes;
  experiment.dataset.steps = shape.length;
  return experiment;
}

}  // namespace spikeloom
