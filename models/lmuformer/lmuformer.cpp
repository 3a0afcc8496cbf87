#include "models/lmuformer/lmuformer.hpp"

#include <fmt/format.h>

#include "core/error.hpp"
#include "models/ann/kwt.hpp"
#include "models/families.hpp"
#include "sim/graph/lmu.hpp"

namespace spikeloom {
namespace {

constexpr float kTau = 2.0f;
constexpr float kPrevThreshold = 0.5f;  // of prev_lif; all other neurons have 1

class Builder {
 public:
  explicit Builder(const LmuformerConfig& config) : config_(config) {
    if (config_.memory_size == 0) config_.memory_size = config_.dim * (config_.spiking ? 2 : 1);
  }

  Graph build() {
    NodeId x = graph_.add("input", input_of({config_.in_channels}, false, config_.events));
    if (config_.task == LmuTask::kPsmnist) {
      graph_.output("logits", config_.spiking ? psmnist_spiking(x) : psmnist(x));
      return std::move(graph_);
    }
    x = config_.spiking ? spiking_embedding(x) : embedding(x);
    for (int64_t i = 0; i < config_.layer; ++i) {
      const std::string name = "block." + std::to_string(i);
      x = config_.spiking ? spiking_mixer(name + ".mlp", spiking_block(name + ".attn", x))
                          : mixer(name + ".mlp", block(name + ".attn", x));
    }
    if (config_.spiking) x = lif_layer("head_lif", norm("head_bn", x));
    x = linear("head", x, config_.num_classes, 0);
    graph_.output("logits", graph_.add("logits", StepMean{}, {x}));
    return std::move(graph_);
  }

 private:
  int64_t channels(NodeId id) const { return channels_of(graph_.node(id).shape); }

  NodeId lif_layer(const std::string& name, NodeId x, float v_threshold = 1.0f) {
    return graph_.add(name, Neuron{lif(kTau, v_threshold)}, {x});
  }
  NodeId norm(const std::string& name, NodeId x) {
    return graph_.add(name, BatchNorm{.channels = channels(x), .prefix = name}, {x});
  }
  NodeId relu(const std::string& name, NodeId x) { return graph_.add(name, Activation{}, {x}); }
  NodeId add(const std::string& name, NodeId a, NodeId b) {
    return graph_.add(name, Add{}, {a, b});
  }
  // Kernel 3 around the step, no bias.
  NodeId conv3(const std::string& name, NodeId x) {
    return graph_.add(name, Conv1d{channels(x), config_.dim, 1, 1, name + ".weight", ""}, {x});
  }
  NodeId linear(const std::string& name, NodeId x, int64_t out, int64_t trailing_ones) {
    return graph_.add(
        name, Linear{channels(x), out, trailing_ones, name + ".weight", name + ".bias"}, {x});
  }
  NodeId memory(const std::string& cell, NodeId u) {
    LmuMemory op{config_.memory_size, config_.theta, config_.memory, 0, config_.seq_len, cell};
    op.taps = config_.tables ? lmu_system(op.order, op.theta)->taps : 1;
    return graph_.add(cell + ".memory", op, {u});
  }

  NodeId spiking_embedding(NodeId x) {
    NodeId y = -1;
    for (const std::string i : {"", "1", "2", "3"}) {
      y = conv3("patch_embed.proj_conv" + i, x);
      x = lif_layer("patch_embed.proj_lif" + i, norm("patch_embed.proj_bn" + i, y));
    }
    return add("patch_embed", y, conv3("patch_embed.rpe_conv", x));
  }

  NodeId spiking_block(const std::string& name, NodeId r) {
    const std::string cell = name + ".lmu";
    const NodeId a = lif_layer(name + ".prev_lif", norm(name + ".prev_bn", r), kPrevThreshold);
    const NodeId u = lif_layer(cell + ".f_u", norm(cell + ".bn_u", linear(cell + ".W_u", a, 1, 0)));
    const NodeId q = lif_layer(cell + ".f_m", norm(cell + ".bn_m", memory(cell, u)));
    const NodeId both = graph_.add(cell + ".q_a", Concat{}, {q, a});
    const NodeId h =
        lif_layer(cell + ".f_h", norm(cell + ".bn_h", linear(cell + ".W_h", both, config_.dim, 0)));
    const NodeId p = norm(name + ".proj_bn", linear(name + ".proj_conv", h, config_.dim, 1));
    return add(name, r, p);
  }

  NodeId spiking_mixer(const std::string& name, NodeId r) {
    NodeId x = lif_layer(name + ".fc1_lif", norm(name + ".fc1_bn", r));
    x = linear(name + ".fc1_conv", x, config_.mlp_ratio * config_.dim, 1);
    x = lif_layer(name + ".fc2_lif", norm(name + ".fc2_bn", x));
    return add(name, r, linear(name + ".fc2_conv", x, config_.dim, 1));
  }

  NodeId embedding(NodeId x) {
    for (int i = 0; i < 4; ++i) {
      const std::string name = fmt::format("patch_embed.conv_layers.{}.", i);
      x = norm(name + "3", relu(name + "1", conv3(name + "0", x)));
    }
    return add("patch_embed", x, conv3("patch_embed.rpe_conv", x));
  }

  // h = ReLU(W_h [m ; x] + b_h), m fed by u = ReLU(W_u x + b_u)
  NodeId hidden(const std::string& cell, NodeId x) {
    const NodeId u = relu(cell + ".f_u", linear(cell + ".W_u", x, 1, 0));
    const NodeId both = graph_.add(cell + ".m_x", Concat{}, {memory(cell, u), x});
    return relu(cell + ".f_h", linear(cell + ".W_h", both, config_.dim, 0));
  }

  NodeId block(const std::string& name, NodeId r) {
    const NodeId h = hidden(name + ".lmu", r);
    return add(name, r, norm(name + ".proj_bn", linear(name + ".proj_conv", h, config_.dim, 1)));
  }

  NodeId mixer(const std::string& name, NodeId r) {
    NodeId x = linear(name + ".fc1_conv", r, config_.mlp_ratio * config_.dim, 1);
    x = graph_.add(name + ".act", Activation{ActivationKind::kGelu}, {norm(name + ".fc1_bn", x)});
    x = norm(name + ".fc2_bn", linear(name + ".fc2_conv", x, config_.dim, 1));
    return add(name, r, relu(name + ".act2", x));
  }

  NodeId psmnist(NodeId x) {
    x = linear("conv1", x, 3, 1);
    const NodeId h = hidden("lmu_fft", norm("bn1", x));
    return linear("classifier", graph_.add("h_mean", StepMean{}, {h}), config_.num_classes, 0);
  }

  // No norm, and the memory reaches W_h as it is.
  NodeId psmnist_spiking(NodeId x) {
    const std::string cell = "lmu_fft";
    const NodeId u = lif_layer(cell + ".f_u", linear(cell + ".W_u", x, 1, 0));
    const NodeId both = graph_.add(cell + ".m_x", Concat{}, {memory(cell, u), x});
    const NodeId h = lif_layer(cell + ".f_h", linear(cell + ".W_h", both, config_.dim, 0));
    return linear("classifier", h, config_.num_classes, 0);
  }

  LmuformerConfig config_;
  Graph graph_;
};

std::vector<ModelKey> lmuformer_keys(LmuformerConfig& c) {
  return {{"spiking", FlagField{&c.spiking}},
          choice_key("memory", c.memory, {"event", "recurrent", "fft"}),
          {"seq_len", IntegerField{&c.seq_len, 1, 1 << 20}},
          {"theta", RealField{&c.theta, 1.0, 1 << 20}},
          {"in_channels", IntegerField{&c.in_channels, 1, 65536}},
          {"num_classes", IntegerField{&c.num_classes, 1, 1000000}},
          {"dim", IntegerField{&c.dim, 1, 65536}},
          {"memory_size", IntegerField{&c.memory_size, 0, 4096}},
          {"layer", IntegerField{&c.layer, 1, 256}},
          {"mlp_ratio", IntegerField{&c.mlp_ratio, 1, 64}}};
}

LmuformerConfig reading(const ModelSpec& spec, const DataShape& data) {
  LmuformerConfig config = spec.as<LmuformerConfig>();
  config.events = data.events;
  config.tables = data.tables;
  return config;
}

// The authors' network that does not spike.
std::optional<Graph> twin_of(LmuformerConfig config) {
  if (!config.spiking) return std::nullopt;
  config.spiking = false;
  if (config.task == LmuTask::kSpeechCommands) config.memory_size = 0;
  return build_lmuformer(config);
}

// Keyword spotting: the Keyword Transformer's smallest published size. It reads the same frames; of
// Speech Commands its own, as published.
std::vector<Baseline> keyword_baselines(const LmuformerConfig& net) {
  if (net.task != LmuTask::kSpeechCommands) return {};
  KwtConfig config = kwt_preset("KWT-1");
  const bool published = net.seq_len == 128 && net.in_channels == 128;
  if (!published) {
    config.frames = net.seq_len;
    config.in_channels = net.in_channels;
  }
  config.num_classes = net.num_classes;
  return {{"dense_kwt1",
           fmt::format("KWT-1 on {} frames of {} {}; counted, not executed", config.frames,
                       config.in_channels,
                       published ? "MFCC, as published" : "values, those read here"),
           build_kwt(config)}};
}

}  // namespace

const std::vector<LmuformerPreset>& lmuformer_presets() {
  static const std::vector<LmuformerPreset> presets = {
      {"speech_commands", {}, "slmu_rnn_ms_conv1d; spiking = false: lmu_rnn_conv1d"},
      {"psmnist",
       {.task = LmuTask::kPsmnist,
        .seq_len = 784,
        .theta = 784,
        .in_channels = 1,
        .num_classes = 10,
        .dim = 346,
        .memory_size = 468},
       "the authors' notebook, one memory layer"},
  };
  return presets;
}

LmuformerConfig lmuformer_preset(std::string_view name) {
  std::string known;
  for (const LmuformerPreset& preset : lmuformer_presets()) {
    if (preset.name == name) return preset.config;
    known += (known.empty() ? "" : ", ") + std::string(preset.name);
  }
  throw Error(ErrorCode::kUsage,
              "no preset '" + std::string(name) + "' of lmuformer; there are " + known);
}

Graph build_lmuformer(const LmuformerConfig& config) {
  LmuformerConfig copy = config;
  require(range_fault(lmuformer_keys(copy)));
  return Builder(config).build();
}

Family lmuformer_family() {
  Family row{.name = "lmuformer",
             .title = "LMUFormer",
             .about = "LMUFormer and spiking LMUFormer",
             .sample = SampleKind::kSequence,
             .length_key = "seq_len",
             .default_preset = "speech_commands"};
  for (const LmuformerPreset& preset : lmuformer_presets()) {
    const LmuformerConfig& c = preset.config;
    row.presets.push_back({std::string(preset.name),
                           fmt::format("{} steps of {}, dim {}", c.seq_len, c.in_channels, c.dim),
                           std::string(preset.note)});
  }
  row.hints.extents = {{"head.weight", 0, 1, "model.num_classes"},
                       {"classifier.weight", 0, 1, "model.num_classes"}};
  row.start = [](std::string_view preset) { return ModelSpec::of(lmuformer_preset(preset)); };
  row.keys = [](ModelSpec& spec) { return lmuformer_keys(spec.as<LmuformerConfig>()); };
  row.check = [](const ModelSpec& spec) -> std::optional<KeyFault> {
    const auto& c = spec.as<LmuformerConfig>();
    const LmuformerConfig usual;
    if (c.task != LmuTask::kPsmnist) return std::nullopt;
    if (c.layer != usual.layer) return KeyFault{{"layer"}, "psmnist has one memory layer"};
    if (c.mlp_ratio != usual.mlp_ratio) return KeyFault{{"mlp_ratio"}, "psmnist has no mixer"};
    return std::nullopt;
  };
  row.shape = [](const ModelSpec& spec) {
    const auto& c = spec.as<LmuformerConfig>();
    return ModelShape{c.seq_len, c.seq_len, c.in_channels, c.num_classes,
                      c.memory == LmuForm::kFft};
  };
  row.build = [](const ModelSpec& spec, const DataShape& data) {
    return build_lmuformer(reading(spec, data));
  };
  row.twin.title = "the dense twin";
  row.twin.description = "the authors' network that does not spike, one pass";
  row.twin.build = [](const ModelSpec& spec, const DataShape& data) {
    return twin_of(reading(spec, data));
  };
  row.baselines = [](const ModelSpec& spec, const DataShape&) {
    return keyword_baselines(spec.as<LmuformerConfig>());
  };
  return row;
}

}  // namespace spikeloom
