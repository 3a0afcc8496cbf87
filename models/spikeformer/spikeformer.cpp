#include "models/spikeformer/spikeformer.hpp"

#include "core/error.hpp"

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
    NodeId u = graph_.add("input", Input{{config_.height, config_.width, config_.in_channels},
                                         config_.static_input,
                                         0,
                                         config_.events});
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

void check(const SpikeformerConfig& config) {
  const auto fail = [](const std::string& reason) {
    throw Error(ErrorCode::kUsage, "model: " + reason);
  };
  for (const int64_t e : config.embed_dim) {
    if (e < 1 || e > 65536) fail("embed_dim must lie in 1..65536");
  }
  if (config.embed_dim[0] % 2 != 0)
    fail("embed_dim[0] must be even, the first stage has half of it");
  if (config.num_heads < 1) fail("num_heads must be positive");
  for (const size_t stage : {size_t{2}, size_t{3}}) {
    if (config.embed_dim[stage] % config.num_heads != 0) {
      fail("embed_dim[" + std::to_string(stage) + "] = " + std::to_string(config.embed_dim[stage]) +
           " does not divide into " + std::to_string(config.num_heads) + " heads");
    }
  }
  for (const int64_t depth : config.depths) {
    if (depth < 0 || depth > 256) fail("depths must lie in 0..256");
  }
  for (const int64_t stride : config.strides) {
    if (stride < 1 || stride > 16) fail("strides must lie in 1..16");
  }
  if (config.num_classes < 1 || config.in_channels < 1 || config.mlp_ratio < 1) {
    fail("num_classes, in_channels and mlp_ratio must be positive");
  }
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
  check(config);
  return Builder(config).build();
}

}  // namespace spikeloom
