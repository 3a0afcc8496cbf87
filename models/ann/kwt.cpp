#include "models/ann/kwt.hpp"

#include <fmt/format.h>

#include <cmath>

#include "core/error.hpp"
#include "models/families.hpp"

namespace spikeloom {
namespace {

class Builder {
 public:
  explicit Builder(const KwtConfig& config) : config_(config) {}

  Graph build() {
    NodeId x =
        graph_.add("input", input_of({config_.frames, config_.in_channels}, false, config_.events));
    x = linear("patch_embed", x, config_.dim);
    x = graph_.add("cls_token", Prepend{config_.dim, "cls_token"}, {x});
    x = graph_.add("pos_embed", Positions{config_.frames + 1, config_.dim, false, "pos_embed"},
                   {x});
    for (int64_t i = 0; i < config_.layers; ++i) x = block("blocks." + std::to_string(i), x);
    x = graph_.add("cls", FirstRow{}, {x});
    graph_.output("logits", linear("head", x, config_.num_classes));
    return std::move(graph_);
  }

 private:
  NodeId linear(const std::string& name, NodeId x, int64_t out, bool bias = true) {
    const int64_t in = channels_of(graph_.node(x).shape);
    return graph_.add(name, Linear{in, out, 0, name + ".weight", bias ? name + ".bias" : ""}, {x});
  }
  NodeId add_and_norm(const std::string& name, NodeId x, NodeId y) {
    const NodeId sum = graph_.add(name + "_add", Add{}, {x, y});
    return graph_.add(name, LayerNorm{config_.dim, name, 1e-6f}, {sum});
  }

  NodeId block(const std::string& name, NodeId x) {
    const int64_t dim = config_.dim;
    const int64_t d = dim / config_.heads;  // channels of a head
    const float scale = 1.0f / std::sqrt(static_cast<float>(d));
    const std::string attn = name + ".attn";
    const NodeId q = linear(attn + ".query", x, dim, false),
                 k = linear(attn + ".key", x, dim, false),
                 v = linear(attn + ".value", x, dim, false);
    const NodeId y =
        graph_.add(attn + ".softmax", SoftmaxAttention{config_.heads, scale, 0}, {q, k, v});
    x = add_and_norm(name + ".norm1", x, linear(attn + ".proj", y, dim));
    const NodeId hidden = linear(name + ".mlp.fc1", x, config_.mlp);
    const NodeId g = graph_.add(name + ".mlp.gelu", Activation{ActivationKind::kGelu}, {hidden});
    return add_and_norm(name + ".norm2", x, linear(name + ".mlp.fc2", g, dim));
  }

  const KwtConfig& config_;
  Graph graph_;
};

std::vector<ModelKey> kwt_keys(KwtConfig& c) {
  return {{"seq_len", IntegerField{&c.frames, 1, 65536}},
          {"in_channels", IntegerField{&c.in_channels, 1, 65536}},
          {"num_classes", IntegerField{&c.num_classes, 1, 1000000}},
          {"dim", IntegerField{&c.dim, 1, 65536}},
          {"heads", IntegerField{&c.heads, 1, 65536}},
          {"layers", IntegerField{&c.layers, 1, kMostLayers}},
          {"mlp", IntegerField{&c.mlp, 1, 1 << 20}}};
}

std::optional<KeyFault> fault_of(const KwtConfig& config) {
  return heads_fault("dim", config.dim, "heads", config.heads);
}

}  // namespace

const std::vector<KwtPreset>& kwt_presets() {
  static const std::vector<KwtPreset> presets = {
      {"KWT-1", {.dim = 64, .heads = 1, .mlp = 256}},
      {"KWT-2", {.dim = 128, .heads = 2, .mlp = 512}},
      {"KWT-3", {.dim = 192, .heads = 3, .mlp = 768}},
  };
  return presets;
}

KwtConfig kwt_preset(std::string_view name) {
  std::string known;
  for (const KwtPreset& preset : kwt_presets()) {
    if (preset.name == name) return preset.config;
    known += (known.empty() ? "" : ", ") + std::string(preset.name);
  }
  throw Error(ErrorCode::kUsage,
              "no preset '" + std::string(name) + "' of kwt; there are " + known);
}

Graph build_kwt(const KwtConfig& config) {
  KwtConfig copy = config;
  require(range_fault(kwt_keys(copy)));
  require(fault_of(config));
  return Builder(config).build();
}

Family kwt_family() {
  Family row{.name = "kwt",
             .title = "KWT",
             .about = "Keyword Transformer",
             .sample = SampleKind::kWholeSequence,
             .spikes = false,
             .length_key = "seq_len",
             .default_preset = "KWT-1"};
  for (const KwtPreset& preset : kwt_presets()) {
    const KwtConfig& c = preset.config;
    row.presets.push_back({std::string(preset.name),
                           fmt::format("{} frames of {}, dim {}", c.frames, c.in_channels, c.dim),
                           ""});
  }
  row.hints.extents = {{"head.weight", 0, 1, "model.num_classes"}};
  row.start = [](std::string_view preset) { return ModelSpec::of(kwt_preset(preset)); };
  row.keys = [](ModelSpec& spec) { return kwt_keys(spec.as<KwtConfig>()); };
  row.check = [](const ModelSpec& spec) { return fault_of(spec.as<KwtConfig>()); };
  row.shape = [](const ModelSpec& spec) {
    const auto& c = spec.as<KwtConfig>();
    return ModelShape{1, c.frames, c.in_channels, c.num_classes};
  };
  row.build = [](const ModelSpec& spec, const DataShape& data) {
    KwtConfig config = spec.as<KwtConfig>();
    config.events = data.events;
    return build_kwt(config);
  };
  return row;
}

}  // namespace spikeloom
