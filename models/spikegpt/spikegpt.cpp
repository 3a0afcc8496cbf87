#include "models/spikegpt/spikegpt.hpp"

#include <fmt/format.h>

#include <cmath>

#include "core/error.hpp"
#include "models/ann/gpt.hpp"
#include "models/ann/rwkv4.hpp"
#include "models/checkpoint_shape.hpp"
#include "models/families.hpp"

namespace spikeloom {
namespace {

constexpr int64_t kBpeVocabulary = 50277;  // of the 20B tokenizer

class Builder {
 public:
  Builder(const SpikeGptConfig& config, Graph& graph) : config_(config), graph_(graph) {}

  NodeId build() {
    const NodeId tokens = graph_.add("tokens", Input{{1}, false, config_.vocabulary});
    NodeId x =
        graph_.add("emb", Embedding{config_.vocabulary, config_.width, "emb.weight"}, {tokens});
    if (config_.binary_embedding) {
      x = graph_.add("emb.spikes", Threshold{0.0f, FireRule::kAtThreshold}, {x});
    }
    x = norm("blocks.0.ln0", x);
    for (int64_t i = 0; i < config_.layers; ++i) x = block(i, x);
    return norm("ln_out", x);
  }

 private:
  NodeId norm(const std::string& name, NodeId x) {
    return graph_.add(name, LayerNorm{config_.width, name}, {x});
  }

  NodeId linear(const std::string& name, NodeId x, int64_t out) {
    const int64_t in = channels_of(graph_.node(x).shape);
    return graph_.add(name, Linear{in, out, 0, name + ".weight", ""}, {x});
  }

  // x = x + LIF1(TimeMix(LN1(x))); x = x + LIF2(ChannelMix(LN2(x)))
  NodeId block(int64_t i, NodeId x) {
    const std::string name = "blocks." + std::to_string(i);
    const NodeId a = norm(name + ".ln1", x);
    const NodeId first = i == 0 && config_.ffn_pre ? channel_mix(name + ".ffnPre", a, i)
                                                   : time_mix(name + ".att", a, i);
    x = add_increment(name, "1", x, first);
    x = add_increment(name, "2", x, channel_mix(name + ".ffn", norm(name + ".ln2", x), i));
    const int64_t every = config_.rescale_every;
    if (every > 0 && (i + 1) % every == 0) x = graph_.add(name + ".halved", Scale{0.5f}, {x});
    return x;
  }

  NodeId add_increment(const std::string& name, const std::string& number, NodeId x, NodeId y) {
    NeuronSpec neuron = lif(config_.tau, config_.v_threshold);
    neuron.rules.reset = config_.reset;
    const NodeId spikes = graph_.add(name + ".lif" + number, Neuron{neuron}, {y});
    return graph_.add(name + ".add" + number, Add{}, {x, spikes});
  }

  // y / 2^(i / rescale_every): exact, so that dividing here equals dividing the weights.
  NodeId rescaled(const std::string& name, NodeId y, int64_t i) {
    const int64_t every = config_.rescale_every;
    if (every == 0 || i < every) return y;
    return graph_.add(name, Scale{std::ldexp(1.0f, -static_cast<int>(i / every))}, {y});
  }

  NodeId mix(const std::string& module, const char* which, NodeId a, NodeId previous) {
    return graph_.add(module + ".mix_" + which,
                      TokenMix{config_.width, module + ".time_mix_" + which}, {a, previous});
  }

  NodeId gate(const std::string& module, NodeId a, NodeId previous) {
    const NodeId r = linear(module + ".receptance", mix(module, "r", a, previous), config_.width);
    return graph_.add(module + ".gate", Activation{ActivationKind::kSigmoid}, {r});
  }

  NodeId time_mix(const std::string& module, NodeId a, int64_t i) {
    const NodeId previous = graph_.add(module + ".shift", Delay{}, {a});
    const NodeId k = linear(module + ".key", mix(module, "k", a, previous), config_.width);
    const NodeId v = linear(module + ".value", mix(module, "v", a, previous), config_.width);
    const NodeId r = gate(module, a, previous);
    const NodeId wkv =
        graph_.add(module + ".wkv",
                   Wkv{config_.width, module + ".time_decay", module + ".time_first"}, {k, v});
    const NodeId gated = graph_.add(module + ".gated", Mul{}, {r, wkv});
    return rescaled(module + ".rescaled", linear(module + ".output", gated, config_.width), i);
  }

  NodeId channel_mix(const std::string& module, NodeId f, int64_t i) {
    const NodeId previous = graph_.add(module + ".shift", Delay{}, {f});
    const NodeId k = linear(module + ".key", mix(module, "k", f, previous), 4 * config_.width);
    const NodeId hidden =
        graph_.add(module + ".hidden", Activation{ActivationKind::kReluSquared}, {k});
    graph_.add(module + ".nonzero", Threshold{0.0f, FireRule::kAboveThreshold}, {hidden});
    const NodeId g = gate(module, f, previous);
    const NodeId value =
        rescaled(module + ".rescaled", linear(module + ".value", hidden, config_.width), i);
    return graph_.add(module + ".gated", Mul{}, {g, value});
  }

  const SpikeGptConfig& config_;
  Graph& graph_;
};

std::vector<ModelKey> spikegpt_keys(SpikeGptConfig& c) {
  std::vector<ModelKey> keys = dimension_keys(c);
  keys.push_back({"rescale_every", IntegerField{&c.rescale_every, 0, 4096}});
  keys.push_back({"tau", RealField{&c.tau, 1.0, 1e6}});
  keys.push_back({"v_threshold", RealField{&c.v_threshold, 1e-6, 1e6}});
  keys.push_back(choice_key("reset", c.reset, {"hard", "soft"}));
  return keys;
}

}  // namespace

std::vector<ModelKey> dimension_keys(SpikeGptConfig& c) {
  return {{"layers", IntegerField{&c.layers, 0, kMostLayers}},
          {"width", IntegerField{&c.width, 0, 65536}},
          {"vocabulary", IntegerField{&c.vocabulary, 0, 1 << 24}},
          {"ffn_pre", FlagField{&c.ffn_pre}}};
}

const std::vector<SpikeGptPreset>& spikegpt_presets() {
  static const std::vector<SpikeGptPreset> presets = {
      {"46M", 12, 512, 5458, true, "enwik8 by characters, as the training program reads it"},
      {"216M", 18, 768, kBpeVocabulary, false, "OpenWebText, 20B tokenizer"},
      {"book", 24, 768, 77, true, "BookCorpus, 77 characters"},
  };
  return presets;
}

SpikeGptConfig spikegpt_preset(std::string_view name) {
  std::string names;
  for (const SpikeGptPreset& preset : spikegpt_presets()) {
    if (preset.name == name) {
      SpikeGptConfig config;
      config.layers = preset.layers;
      config.width = preset.width;
      config.vocabulary = preset.vocabulary;
      config.binary_embedding = preset.binary_embedding;
      return config;
    }
    names += (names.empty() ? "" : ", ") + std::string(preset.name);
  }
  throw Error(ErrorCode::kUsage,
              fmt::format("no SpikeGPT preset '{}'; choose one of {}", name, names));
}

SpikeGptConfig spikegpt_config_of(const Weights& weights) {
  SpikeGptConfig config;
  config.vocabulary = extent_of(weights, "emb.weight", 0);
  config.width = extent_of(weights, "emb.weight", 1);
  config.layers = block_count(weights);
  if (config.vocabulary == 0 || config.width == 0 || config.layers == 0) {
    throw Error(ErrorCode::kData,
                "no SpikeGPT: needs emb.weight [vocabulary, width] and blocks.<i>.*");
  }
  config.ffn_pre = weights.contains("blocks.0.ffnPre.key.weight");
  config.binary_embedding = config.vocabulary != kBpeVocabulary;
  return config;
}

NameSet spikegpt_landmarks() {
  return {"emb.weight", "blocks.0.ln1.weight", "ln_out.weight", "head.weight"};
}

NodeId add_spikegpt_body(Graph& graph, const SpikeGptConfig& config) {
  SpikeGptConfig copy = config;
  require(range_fault(spikegpt_keys(copy)));
  if (config.layers < 1 || config.width < 1 || config.vocabulary < 1)
    throw Error(ErrorCode::kUsage, "SpikeGPT needs at least one layer, channel and token");
  return Builder(config, graph).build();
}

Graph build_spikegpt(const SpikeGptConfig& config) {
  Graph graph;
  const NodeId x = add_spikegpt_body(graph, config);
  graph.output(
      "logits",
      graph.add("head", Linear{config.width, config.vocabulary, 0, "head.weight", ""}, {x}));
  return graph;
}

namespace {

ModelSpec start_spikegpt(std::string_view preset) {
  SpikeGptSpec spec;
  if (preset.empty()) {
    spec.net.layers = spec.net.width = spec.net.vocabulary = 0;
  } else {
    spec.net = spikegpt_preset(preset);
    spec.binary_embedding = spec.net.binary_embedding;
  }
  return ModelSpec::of(spec);
}

ModelSpec complete_spikegpt(const ModelSpec& given, const Weights* stored, const DataShape&) {
  SpikeGptSpec spec = given.as<SpikeGptSpec>();
  SpikeGptConfig& net = spec.net;
  if (stored != nullptr) {
    const SpikeGptConfig found = spikegpt_config_of(*stored);
    take_stored("layers", net.layers, found.layers);
    take_stored("width", net.width, found.width);
    take_stored("vocabulary", net.vocabulary, found.vocabulary);
    net.ffn_pre = found.ffn_pre;
    net.binary_embedding = found.binary_embedding;
  }
  require_dimensions(net.layers, net.width, net.vocabulary, "model.preset or ");
  net.binary_embedding = spec.binary_embedding.value_or(net.binary_embedding);
  return ModelSpec::of(spec);
}

std::vector<FamilyPreset> spikegpt_preset_rows() {
  std::vector<FamilyPreset> rows;
  for (const SpikeGptPreset& preset : spikegpt_presets()) {
    rows.push_back({std::string(preset.name),
                    fmt::format("layers {}, width {}, vocabulary {}", preset.layers, preset.width,
                                preset.vocabulary),
                    std::string(preset.note)});
  }
  return rows;
}

std::vector<Baseline> spikegpt_baselines(const ModelSpec& spec, const DataShape& data) {
  const SpikeGptConfig& net = spec.as<SpikeGptSpec>().net;
  return {gpt_baseline(net.layers, net.width, net.vocabulary, data.frames)};
}

}  // namespace

Family spikegpt_family() {
  Family row{.name = "spikegpt",
             .title = "SpikeGPT",
             .about = "SpikeGPT",
             .sample = SampleKind::kTokens,
             .presets = spikegpt_preset_rows()};
  row.remark =
      "no product of this network is driven by spikes: limits on spikes per synapse do not apply "
      "to it, and what it saves against RWKV-4 are exact zeros of relu^2, which RWKV-4 has too";
  row.start = start_spikegpt;
  row.keys = [](ModelSpec& spec) {
    auto& s = spec.as<SpikeGptSpec>();
    std::vector<ModelKey> keys = spikegpt_keys(s.net);
    keys.push_back({"binary_embedding", OptionalFlagField{&s.binary_embedding}});
    return keys;
  };
  row.check = [](const ModelSpec&) -> std::optional<KeyFault> { return std::nullopt; };
  row.shape = [](const ModelSpec& spec) {
    return ModelShape{.classes = spec.as<SpikeGptSpec>().net.vocabulary};
  };
  row.build = [](const ModelSpec& spec, const DataShape&) {
    return build_spikegpt(spec.as<SpikeGptSpec>().net);
  };
  row.twin.title = "RWKV-4";
  row.twin.description = "RWKV-4 of the same shape";
  row.twin.build = [](const ModelSpec& spec, const DataShape&) -> std::optional<Graph> {
    return build_rwkv4(spec.as<SpikeGptSpec>().net);
  };
  row.baselines = spikegpt_baselines;
  row.settings = [](const ModelSpec& spec) {
    const SpikeGptConfig& net = spec.as<SpikeGptSpec>().net;
    return fmt::format(
        "embedding {}, rescaling {}", net.binary_embedding ? "binary" : "real",
        net.rescale_every == 0 ? "off" : fmt::format("every {} blocks", net.rescale_every));
  };
  row.checkpoint = {spikegpt_landmarks, complete_spikegpt};
  row.claim = EnergyClaim{4.5, 0.9, 0.15, 512};  // the publication's table 1: 32.2 times
  return row;
}

}  // namespace spikeloom
