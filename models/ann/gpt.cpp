#include "models/ann/gpt.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "core/error.hpp"
#include "models/checkpoint_shape.hpp"
#include "models/families.hpp"

namespace spikeloom {
namespace {

class Builder {
 public:
  explicit Builder(const GptConfig& config) : config_(config) {}

  Graph build() {
    const int64_t width = config_.width;
    NodeId x = graph_.add("tokens", Input{{1}, false, config_.vocabulary});
    x = graph_.add("tok_emb", Embedding{config_.vocabulary, width, "tok_emb.weight"}, {x});
    x = graph_.add("pos_emb", Positions{config_.context, width, true, "pos_emb"}, {x});
    for (int64_t i = 0; i < config_.layers; ++i) x = block("blocks." + std::to_string(i), x);
    x = norm("ln_f", x);
    graph_.output("logits",
                  graph_.add("head", Linear{width, config_.vocabulary, 0, "head.weight", ""}, {x}));
    return std::move(graph_);
  }

 private:
  NodeId norm(const std::string& name, NodeId x) {
    return graph_.add(name, LayerNorm{config_.width, name}, {x});
  }
  NodeId linear(const std::string& name, NodeId x, int64_t out) {
    const int64_t in = channels_of(graph_.node(x).shape);
    return graph_.add(name, Linear{in, out, 0, name + ".weight", name + ".bias"}, {x});
  }

  // x = x + proj(attention(LN1(x))); x = x + MLP(LN2(x))
  NodeId block(const std::string& name, NodeId x) {
    const int64_t width = config_.width;
    const int64_t d = width / config_.heads;  // channels of a head
    const float scale = 1.0f / std::sqrt(static_cast<float>(d));
    const NodeId a = norm(name + ".ln1", x);
    const std::string attn = name + ".attn";
    const NodeId q = linear(attn + ".query", a, width), k = linear(attn + ".key", a, width),
                 v = linear(attn + ".value", a, width);
    const NodeId y = graph_.add(attn + ".softmax",
                                SoftmaxAttention{config_.heads, scale, config_.context}, {q, k, v});
    x = graph_.add(name + ".add1", Add{}, {x, linear(attn + ".proj", y, width)});
    const NodeId hidden = linear(name + ".mlp.0", norm(name + ".ln2", x), 4 * width);
    const NodeId g = graph_.add(name + ".mlp.1", Activation{ActivationKind::kGelu}, {hidden});
    return graph_.add(name + ".add2", Add{}, {x, linear(name + ".mlp.2", g, width)});
  }

  const GptConfig& config_;
  Graph graph_;
};

// 0: of the checkpoint, or the data.
std::vector<ModelKey> gpt_keys(GptConfig& c) {
  return {{"layers", IntegerField{&c.layers, 0, kMostLayers}},
          {"width", IntegerField{&c.width, 0, 65536}},
          {"vocabulary", IntegerField{&c.vocabulary, 0, 1 << 24}},
          {"heads", IntegerField{&c.heads, 0, 65536}},
          {"context", IntegerField{&c.context, 0, 1 << 20}}};
}

std::optional<KeyFault> fault_of(const GptConfig& c) {
  if (c.layers < 1 || c.width < 1 || c.vocabulary < 1 || c.heads < 1 || c.context < 1)
    return KeyFault{{"layers"}, "GPT needs layers, channels, tokens, heads and a context"};
  return heads_fault("width", c.width, "heads", c.heads);
}

int64_t heads_of(int64_t width) {
  return std::max<int64_t>(1, width / 64);
}

ModelSpec complete_gpt(const ModelSpec& spec, const Weights* stored, const DataShape& data) {
  GptConfig net = spec.as<GptConfig>();
  if (stored != nullptr) {
    const GptConfig found = gpt_config_of(*stored);
    take_stored("layers", net.layers, found.layers);
    take_stored("width", net.width, found.width);
    take_stored("vocabulary", net.vocabulary, found.vocabulary);
    take_stored("context", net.context, found.context);
  }
  require_dimensions(net.layers, net.width, net.vocabulary, "");
  if (net.heads == 0) net.heads = heads_of(net.width);
  if (net.context == 0) net.context = std::max<int64_t>(data.frames, 1);
  require(fault_of(net));
  return ModelSpec::of(net);
}

}  // namespace

GptConfig gpt_config_of(const Weights& weights) {
  GptConfig config;
  config.vocabulary = extent_of(weights, "tok_emb.weight", 0);
  config.width = extent_of(weights, "tok_emb.weight", 1);
  config.context = extent_of(weights, "pos_emb", 1, 3);
  config.layers = block_count(weights);
  config.heads = heads_of(config.width);
  if (config.vocabulary == 0 || config.width == 0 || config.context == 0 || config.layers == 0) {
    throw Error(ErrorCode::kData,
                "no GPT: needs tok_emb.weight [vocabulary, width], pos_emb [1, context, width] and "
                "blocks.<i>.*");
  }
  return config;
}

NameSet gpt_landmarks() {
  return {"tok_emb.weight", "pos_emb", "blocks.0.ln1.weight", "head.weight"};
}

Graph build_gpt(const GptConfig& config) {
  GptConfig copy = config;
  require(range_fault(gpt_keys(copy)));
  require(fault_of(config));
  return Builder(config).build();
}

Baseline gpt_baseline(int64_t layers, int64_t width, int64_t vocabulary, int64_t context) {
  const GptConfig config{layers, width, vocabulary, heads_of(width), context};
  return {
      "dense_gpt",
      fmt::format("a vanilla GPT of as many layers and channels ({} heads), every token attending "
                  "to those before it in its window; counted, not executed",
                  config.heads),
      build_gpt(config)};
}

Family gpt_family() {
  Family row{.name = "gpt",
             .title = "GPT",
             .about = "vanilla GPT",
             .sample = SampleKind::kTokens,
             .spikes = false};
  row.start = [](std::string_view preset) {
    if (!preset.empty()) throw Error(ErrorCode::kUsage, "gpt has no presets");
    return ModelSpec::of(GptConfig{0, 0, 0, 0, 0});
  };
  row.keys = [](ModelSpec& spec) { return gpt_keys(spec.as<GptConfig>()); };
  row.check = [](const ModelSpec& spec) -> std::optional<KeyFault> {
    const auto& c = spec.as<GptConfig>();
    if (c.width == 0 || c.heads == 0) return std::nullopt;  // the checkpoint will say
    return heads_fault("width", c.width, "heads", c.heads);
  };
  row.shape = [](const ModelSpec& spec) {
    return ModelShape{.classes = spec.as<GptConfig>().vocabulary};
  };
  row.build = [](const ModelSpec& spec, const DataShape&) {
    return build_gpt(spec.as<GptConfig>());
  };
  row.checkpoint = {gpt_landmarks, complete_gpt};
  return row;
}

}  // namespace spikeloom
