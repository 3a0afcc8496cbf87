#include "models/spikeformer/spikeformer.hpp"

#include <fmt/format.h>

#include "core/error.hpp"
#include "models/dense_twin.hpp"
#include "models/families.hpp"

namespace spikeloom {
namespace {

// Builds the network top down; every function takes the residual stream `u` and returns the new
// one.
class Builder {
 public:
  explicit Builder(const SpikeformerConfig& config) : config_(config) {}

  Graph build() {
    const auto& e = config_.embed_dim;
    const auto& depth = config_.depths;
    NodeId u = graph_.add("input", input_of({config_.height, config_.width, config_.in_channels},
                                            config_.static_input, config_.events));
    u = downsampling("downsample1_1", u, e[0] / 2, 7, 3, config_.strides[0], true);
    u = conv_blocks("ConvBlock1_1.", depth[0], u);
    u = downsampling("downsample1_2", u, e[0], 3, 1, config_.strides[1], false);
    u = conv_blocks("ConvBlock1_2.", depth[1], u);
    u = downsampling("downsample2", u, e[1], 3, 1, config_.strides[2], false);
    for (int64_t i = 1; i <= depth[2]; ++i)
      u = conv_block("ConvBlock2_" + std::to_string(i) + ".0", u);
    feature(u);
    u = downsampling("downsample3", u, e[2], 3, 1, config_.strides[3], false);
    for (int64_t i = 0; i < depth[3]; ++i) u = transformer_block("block3." + std::to_string(i), u);
    feature(u);
    u = downsampling("downsample4", u, e[3], 3, 1, config_.strides[4], false);
    for (int64_t i = 0; i < depth[4]; ++i) u = transformer_block("block4." + std::to_string(i), u);
    feature(u);
    graph_.output("logits", classifier(u));
    return std::move(graph_);
  }

 private:
  int64_t channels(NodeId id) const { return channels_of(graph_.node(id).shape); }

  // Names the residual stream after the block that made it, as a network output.
  void feature(NodeId u) {
    if (!block_.empty()) graph_.output(block_, u);
    block_.clear();
  }

  NodeId lif_layer(const std::string& name, NodeId current, float v_threshold) {
    return graph_.add(name, Neuron{lif(config_.tau, v_threshold)}, {current});
  }
  NodeId lif_layer(const std::string& name, NodeId current) {
    return lif_layer(name, current, config_.v_threshold);
  }

  NodeId norm(const std::string& name, NodeId x, int64_t pad = 0) {
    return graph_.add(name, BatchNorm{.channels = channels(x), .prefix = name, .pad = pad}, {x});
  }

  struct ConvShape {
    int64_t kernel = 1, stride = 1, padding = 0, groups = 1;
    bool bias = false;
  };
  NodeId conv(const std::string& name, NodeId x, int64_t out, ConvShape shape) {
    return graph_.add(name,
                      Conv2d{channels(x), out, shape.kernel, shape.stride, shape.padding,
                             shape.groups, name + ".weight", shape.bias ? name + ".bias" : ""},
                      {x});
  }

  // LIF (absent in the first layer), convolution with bias, BN: the result is the new residual
  // stream.
  NodeId downsampling(const std::string& name, NodeId u, int64_t out, int64_t kernel,
                      int64_t padding, int64_t stride, bool first_layer) {
    if (!first_layer) u = lif_layer(name + ".encode_lif", u);
    u = conv(name + ".encode_conv", u, out,
             {.kernel = kernel, .stride = stride, .padding = padding, .bias = true});
    return norm(name + ".encode_bn", u);
  }

  NodeId conv_blocks(const std::string& stage, int64_t depth, NodeId u) {
    for (int64_t i = 0; i < depth; ++i) u = conv_block(stage + std::to_string(i), u);
    feature(u);
    return u;
  }

  // u1 = u + SepConv(u);  u2 = u1 + BN(conv(LIF(BN(conv(LIF(u1))))))
  NodeId conv_block(const std::string& name, NodeId u) {
    const NodeId u1 = graph_.add(name + ".sep_add", Add{}, {u, sep_conv(name + ".Conv", u)});
    const int64_t d = channels(u);
    NodeId x = lif_layer(name + ".lif1", u1);
    x = norm(name + ".bn1",
             conv(name + ".conv1", x, config_.mlp_ratio * d, {.kernel = 3, .padding = 1}));
    x = lif_layer(name + ".lif2", x);
    x = norm(name + ".bn2", conv(name + ".conv2", x, d, {.kernel = 3, .padding = 1}));
    block_ = name;
    return graph_.add(name, Add{}, {u1, x});
  }

  // Inverted separable convolution; no norm and no neuron between the 7x7 and the last 1x1.
  NodeId sep_conv(const std::string& name, NodeId u) {
    const int64_t d = channels(u), wide = 2 * d;
    NodeId x = lif_layer(name + ".lif1", u);
    x = norm(name + ".bn1", conv(name + ".pwconv1", x, wide, {}));
    x = lif_layer(name + ".lif2", x);
    x = conv(name + ".dwconv", x, wide, {.kernel = 7, .padding = 3, .groups = wide});
    return norm(name + ".bn2", conv(name + ".pwconv2", x, d, {}));
  }

  // RepConv and the BN behind it: 1x1, BN with a ring of BN(0), depthwise 3x3 without padding, 1x1,
  // BN, BN.
  NodeId rep_conv(const std::string& name, NodeId x) {
    const int64_t c = channels(x);
    const std::string body = name + ".0.body";
    x = norm(body + ".1.bn", conv(body + ".0", x, c, {}), 1);
    x = conv(body + ".2.0", x, c, {.kernel = 3, .groups = c});
    x = norm(body + ".2.2", conv(body + ".2.1", x, c, {}));
    return norm(name + ".1", x);
  }

  // Spike-driven self-attention (SDSA-3): LIF(Q (K^T V) * scale), K^T V first.
  NodeId attention(const std::string& name, NodeId u) {
    const NodeId x = lif_layer(name + ".head_lif", u);
    const NodeId q = lif_layer(name + ".q_lif", rep_conv(name + ".q_conv", x));
    const NodeId k = lif_layer(name + ".k_lif", rep_conv(name + ".k_conv", x));
    const NodeId v = lif_layer(name + ".v_lif", rep_conv(name + ".v_conv", x));
    const NodeId kv = graph_.add(name + ".kv", KtV{config_.num_heads}, {k, v});
    const NodeId qkv =
        graph_.add(name + ".qkv", QApply{config_.num_heads, config_.attn_scale}, {q, kv});
    const NodeId z = lif_layer(name + ".attn_lif", qkv, config_.attn_v_threshold);
    const NodeId map = graph_.add(name + ".attn_map", View{graph_.node(u).shape}, {z});
    return rep_conv(name + ".proj_conv", map);
  }

  NodeId mlp(const std::string& name, NodeId tokens) {
    const int64_t c = channels(tokens), wide = config_.mlp_ratio * c;
    NodeId x = lif_layer(name + ".fc1_lif", tokens);
    x = norm(name + ".fc1_bn", linear(name + ".fc1_conv", x, wide, 1));
    x = lif_layer(name + ".fc2_lif", x);
    return norm(name + ".fc2_bn", linear(name + ".fc2_conv", x, c, 1));
  }

  NodeId linear(const std::string& name, NodeId x, int64_t out, int64_t trailing_ones) {
    return graph_.add(
        name, Linear{channels(x), out, trailing_ones, name + ".weight", name + ".bias"}, {x});
  }

  // u1 = u + attention(u);  u2 = u1 + MLP(u1), the MLP on tokens
  NodeId transformer_block(const std::string& name, NodeId u) {
    const Shape map = graph_.node(u).shape;
    const NodeId u1 = graph_.add(name + ".attn_add", Add{}, {u, attention(name + ".attn", u)});
    const NodeId tokens = graph_.add(name + ".tokens", View{{rows_of(map), channels(u)}}, {u1});
    const NodeId u2 = graph_.add(name + ".mlp_add", Add{}, {tokens, mlp(name + ".mlp", tokens)});
    block_ = name;
    return graph_.add(name, View{map}, {u2});
  }

  // Spatial mean, LIF, linear head; mean over the steps.
  NodeId classifier(NodeId u) {
    const NodeId mean = graph_.add("spatial_mean", SpatialMean{}, {u});
    const NodeId spikes = lif_layer("lif", mean);
    NodeId logits = linear("head", config_.head_mode == HeadMode::kSpike ? spikes : mean,
                           config_.num_classes, 0);
    if (config_.kd) {
      const NodeId distilled = linear("head_kd", spikes, config_.num_classes, 0);
      logits = graph_.add("head_mean", Scale{0.5f},
                          {graph_.add("head_sum", Add{}, {logits, distilled})});
    }
    return graph_.add("logits", StepMean{}, {logits});
  }

  const SpikeformerConfig& config_;
  Graph graph_;
  std::string block_;
};

std::vector<ModelKey> spikeformer_keys(SpikeformerConfig& c) {
  return {{"embed_dim", IntegersField{c.embed_dim, 1, 65536}},
          {"num_heads", IntegerField{&c.num_heads, 1, 1024}},
          {"num_classes", IntegerField{&c.num_classes, 1, 1000000}},
          {"in_channels", IntegerField{&c.in_channels, 1, 4096}},
          {"depths", IntegersField{c.depths, 0, 256}},
          {"strides", IntegersField{c.strides, 1, 16}},
          {"mlp_ratio", IntegerField{&c.mlp_ratio, 1, 64}},
          {"time_steps", IntegerField{&c.time_steps, 1, 4096}},
          {"kd", FlagField{&c.kd}},
          choice_key("head_mode", c.head_mode, {"spike", "mean"}),
          {"tau", RealField{&c.tau, 1.0, 1e6}},
          {"v_threshold", RealField{&c.v_threshold, 1e-6, 1e6}},
          {"attn_v_threshold", RealField{&c.attn_v_threshold, 1e-6, 1e6}},
          {"attn_scale", RealField{&c.attn_scale, 1e-6, 1e6}}};
}

std::optional<KeyFault> fault_of(const SpikeformerConfig& config) {
  if (config.embed_dim[0] % 2 != 0)
    return KeyFault{{"embed_dim"}, "embed_dim[0] must be even, the first stage has half of it"};
  for (const size_t stage : {size_t{2}, size_t{3}}) {
    auto fault = heads_fault("embed_dim", config.embed_dim[stage], "num_heads", config.num_heads);
    if (!fault) continue;
    fault->message = fmt::format("embed_dim[{}] = {} does not divide into {} heads", stage,
                                 config.embed_dim[stage], config.num_heads);
    return fault;
  }
  return std::nullopt;
}

}  // namespace

const std::vector<SpikeformerPreset>& spikeformer_presets() {
  static const std::vector<SpikeformerPreset> presets = {
      {"15M", {64, 128, 256, 360}, "as in the detection and segmentation configurations"},
      {"31M", {96, 192, 384, 480}, "metaspikformer_8_384"},
      {"55M", {128, 256, 512, 640}, "metaspikformer_8_512"},
  };
  return presets;
}

SpikeformerConfig spikeformer_preset(std::string_view name) {
  std::string known;
  for (const SpikeformerPreset& preset : spikeformer_presets()) {
    if (preset.name == name) {
      SpikeformerConfig config;
      config.embed_dim = preset.embed_dim;
      return config;
    }
    known += (known.empty() ? "" : ", ") + std::string(preset.name);
  }
  throw Error(ErrorCode::kUsage,
              "no preset '" + std::string(name) + "' of meta_spikeformer; there are " + known);
}

Graph build_spikeformer(const SpikeformerConfig& config) {
  SpikeformerConfig copy = config;
  require(range_fault(spikeformer_keys(copy)));
  require(fault_of(config));
  return Builder(config).build();
}

Family spikeformer_family() {
  Family row{.name = "meta_spikeformer",
             .title = "Meta-SpikeFormer",
             .about = "Spike-driven Transformer V2",
             .sample = SampleKind::kImage,
             .length_key = "time_steps",
             .instead = "embed_dim"};
  for (const SpikeformerPreset& preset : spikeformer_presets()) {
    row.presets.push_back({std::string(preset.name),
                           fmt::format("embed_dim [{}]", fmt::join(preset.embed_dim, ", ")),
                           std::string(preset.note)});
  }
  row.hints.extents = {{"downsample1_2.encode_conv.weight", 0, 1, "model.embed_dim[0]"},
                       {"downsample2.encode_conv.weight", 0, 1, "model.embed_dim[1]"},
                       {"downsample3.encode_conv.weight", 0, 1, "model.embed_dim[2]"},
                       {"downsample4.encode_conv.weight", 0, 1, "model.embed_dim[3]"},
                       {"downsample1_1.encode_conv.weight", 1, 1, "model.in_channels"},
                       {"head.weight", 0, 1, "model.num_classes"}};
  row.hints.flags = {{"head_kd.", "second head", "model.kd"}};
  row.start = [](std::string_view preset) {
    return ModelSpec::of(preset.empty() ? SpikeformerConfig{} : spikeformer_preset(preset));
  };
  row.keys = [](ModelSpec& spec) { return spikeformer_keys(spec.as<SpikeformerConfig>()); };
  row.check = [](const ModelSpec& spec) { return fault_of(spec.as<SpikeformerConfig>()); };
  row.shape = [](const ModelSpec& spec) {
    const auto& c = spec.as<SpikeformerConfig>();
    return ModelShape{c.time_steps, 0, c.in_channels, c.num_classes};
  };
  row.build = [](const ModelSpec& spec, const DataShape& data) {
    SpikeformerConfig config = spec.as<SpikeformerConfig>();
    config.height = data.height;
    config.width = data.width;
    config.static_input = data.frames == 1;
    config.events = data.events;
    return build_spikeformer(config);
  };
  row.twin.title = "the dense twin";
  row.twin.description = "same topology, ReLU for LIF, softmax attention, one pass";
  row.twin.build = [](const ModelSpec& spec, const DataShape& data) -> std::optional<Graph> {
    if (data.frames != 1) return std::nullopt;  // no one pass sees all frames
    return dense_twin(spikeformer_family().build(spec, data));
  };
  return row;
}

}  // namespace spikeloom
