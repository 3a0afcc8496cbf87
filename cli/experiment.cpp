#include "cli/experiment.hpp"

#include <algorithm>

#include "core/parallel.hpp"

namespace spikeloom {
namespace {

template <size_t N>
std::array<int64_t, N> read_extents(Config& config, const std::string& key,
                                    const std::array<int64_t, N>& preset, int64_t min,
                                    int64_t max) {
  const auto values = config.integers(key, {preset.begin(), preset.end()}, min, max);
  if (values.size() != N) {
    throw config.error_at(
        key, "needs " + std::to_string(N) + " values, got " + std::to_string(values.size()));
  }
  std::array<int64_t, N> result{};
  std::copy(values.begin(), values.end(), result.begin());
  return result;
}

void read_lmuformer(Config& config, Experiment::Model& model) {
  LmuformerConfig& net = model.lmuformer;
  try {
    net = lmuformer_preset(model.preset.empty() ? "speech_commands" : model.preset);
  } catch (const Error& error) {
    throw config.error_at("model.preset", error.what());
  }
  const std::vector<std::string> forms = {"event", "recurrent", "fft"};
  const std::string form = config.choice("model.memory", forms[0], forms);
  net.memory = static_cast<LmuForm>(std::find(forms.begin(), forms.end(), form) - forms.begin());
  net.spiking = config.flag("model.spiking", net.spiking);
  net.seq_len = config.integer("model.seq_len", net.seq_len, 1, int64_t{1} << 20);
  net.theta = config.real("model.theta", net.theta, 1.0, 1 << 20);
  net.in_channels = config.integer("model.in_channels", net.in_channels, 1, 65536);
  net.num_classes = config.integer("model.num_classes", net.num_classes, 1, 1000000);
  net.dim = config.integer("model.dim", net.dim, 1, 65536);
  net.memory_size = config.integer("model.memory_size", net.memory_size, 0, 4096);
  net.layer = config.integer("model.layer", net.layer, 1, 256);
  net.mlp_ratio = config.integer("model.mlp_ratio", net.mlp_ratio, 1, 64);
  model.time_steps = net.seq_len;
}

void read_kwt(Config& config, Experiment::Model& model) {
  KwtConfig& net = model.kwt;
  try {
    net = kwt_preset(model.preset.empty() ? "KWT-1" : model.preset);
  } catch (const Error& error) {
    throw config.error_at("model.preset", error.what());
  }
  net.frames = config.integer("model.seq_len", net.frames, 1, 65536);
  net.in_channels = config.integer("model.in_channels", net.in_channels, 1, 65536);
  net.num_classes = config.integer("model.num_classes", net.num_classes, 1, 1000000);
  net.dim = config.integer("model.dim", net.dim, 1, 65536);
  net.heads = config.integer("model.heads", net.heads, 1, 65536);
  net.layers = config.integer("model.layers", net.layers, 1, kMostLayers);
  net.mlp = config.integer("model.mlp", net.mlp, 1, 1 << 20);
  model.time_steps = 1;
}

Experiment::Model read_model(Config& config) {
  Experiment::Model model;
  model.family = config.require_choice(
      "model.family", {"gpt", "kwt", "lmuformer", "meta_spikeformer", "rwkv4", "spikegpt"});
  model.preset = config.text("model.preset", "");
  if (model.is_lmuformer()) {
    read_lmuformer(config, model);
    return model;
  }
  if (model.is_kwt()) {
    read_kwt(config, model);
    return model;
  }
  SpikeformerConfig& net = model.spikeformer;
  if (!model.preset.empty()) {
    try {
      net = spikeformer_preset(model.preset);
    } catch (const Error& error) {
      throw config.error_at("model.preset", error.what());
    }
  } else if (!config.has("model.embed_dim")) {
    throw config.error_at("model.family", "give model.preset or model.embed_dim");
  }
  net.embed_dim = read_extents(config, "model.embed_dim", net.embed_dim, 1, 65536);
  net.depths = read_extents(config, "model.depths", net.depths, 0, 256);
  net.strides = read_extents(config, "model.strides", net.strides, 1, 16);
  net.num_heads = config.integer("model.num_heads", net.num_heads, 1, 1024);
  net.num_classes = config.integer("model.num_classes", net.num_classes, 1, 1000000);
  net.in_channels = config.integer("model.in_channels", net.in_channels, 1, 4096);
  net.mlp_ratio = config.integer("model.mlp_ratio", net.mlp_ratio, 1, 64);
  net.kd = config.flag("model.kd", net.kd);
  net.head_mode = config.choice("model.head_mode", "spike", {"spike", "mean"}) == "spike"
                      ? HeadMode::kSpike
                      : HeadMode::kMean;
  net.tau = static_cast<float>(config.real("model.tau", net.tau, 1.0, 1e6));
  net.v_threshold =
      static_cast<float>(config.real("model.v_threshold", net.v_threshold, 1e-6, 1e6));
  net.attn_v_threshold =
      static_cast<float>(config.real("model.attn_v_threshold", net.attn_v_threshold, 1e-6, 1e6));
  net.attn_scale = static_cast<float>(config.real("model.attn_scale", net.attn_scale, 1e-6, 1e6));
  model.time_steps = config.integer("model.time_steps", 4, 1, 4096);
  return model;
}

}  // namespace

void read_twin(Config& config, std::filesystem::path& weights, std::string& select) {
  weights = config.path_of("twin.weights", "");
  select = config.text("twin.select", "");
  if (weights.empty() && !select.empty()) {
    throw config.error_at("twin.select", "the twin has no weights; twin.weights names a file");
  }
}

Experiment::WeightSource read_weights(Config& config) {
  Experiment::WeightSource weights;
  weights.path = config.path_of("weights.path", "");
  weights.select = config.text("weights.select", "");
  if (weights.path.empty() && !weights.select.empty()) {
    throw config.error_at("weights.select",
                          "random weights are one set; weights.path names a file");
  }
  weights.ignore = config.text_or_texts("weights.ignore", {});
  weights.random_seed = config.integer("weights.random_seed", 1, 0);
  weights.trained = config.flag("weights.trained", false);
  weights.note = config.text("weights.note", "");
  return weights;
}

namespace {

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

}  // namespace

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

Experiment read_experiment(Config& config) {
  Experiment experiment;
  experiment.model = read_model(config);
  experiment.weights = read_weights(config);
  read_twin(config, experiment.twin_weights, experiment.twin_select);
  experiment.dataset = read_dataset(config);
  experiment.run = read_run(config);
  experiment.what_if = read_what_if(config, experiment.run.device);
  if (experiment.what_if.weight_bits > 0 && experiment.run.precision.precision != Precision::kF32) {
    throw config.error_at("run.precision", "what_if.weight_bits rounds the weights already: fp32");
  }
  experiment.chip = read_chip_choice(config);
  experiment.trace = read_trace(config);
  experiment.neurobench = config.flag("report.neurobench", false);
  experiment.output.dir = config.path_of("output.dir", "out").lexically_normal();
  if (experiment.output.dir.empty()) throw config.error_at("output.dir", "is the empty text");
  experiment.output.features = config.text_or_texts("output.features", {});
  experiment.output.membranes = config.text_or_texts("output.membranes", {});
  if (!config.flag("output.logits", true))
    throw config.error_at("output.logits", "logits.npy is always written");
  experiment.output.per_step = config.flag("output.per_step", false);
  experiment.output.checkpoint_s = config.real("output.checkpoint_s", 1.0, 0.0, 86400.0);
  config.reject_unknown();
  if (experiment.dataset.classes == 0) experiment.dataset.classes = experiment.model.num_classes();
  if (experiment.model.is_kwt()) experiment.dataset.steps = experiment.model.kwt.frames;
  if (experiment.model.is_lmuformer())
    experiment.dataset.steps = experiment.model.lmuformer.seq_len;
  return experiment;
}

}  // namespace spikeloom
