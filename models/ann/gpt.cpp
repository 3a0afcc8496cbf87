#include "models/ann/gpt.hpp"

#include <algorithm>
#include <cmath>

#include "core/error.hpp"
#include "models/checkpoint_shape.hpp"

namespace spikeloom {
namespace {

class Builder {
 public:
  explicit Builder(const GptConfig& config) : config_(config) {
    if (config.layers < 1 || config.width < 1 || config.vocabulary < 1 || config.heads < 1 ||
        config.context < 1 || config.width % config.heads != 0) {
      throw Error(ErrorCode::kUsage,
                  "GPT needs layers, tokens, a context, and channels that divide into its heads");
    }
  }

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

}  // namespace

GptConfig gpt_config_of(const Weights& weights) {
  GptConfig config;
  config.vocabulary = extent_of(weights, "tok_emb.weight", 0);
  config.width = extent_of(weights, "tok_emb.weight", 1);
  config.context = extent_of(weights, "pos_emb", 1, 3);
  config.layers = block_count(weights);
  config.heads = std::max<int64_t>(1, config.width / 64);
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
  return Builder(config).build();
}

}  // namespace spikeloom
