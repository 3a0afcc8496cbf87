#include "models/spikegpt/classifier.hpp"

#include <fmt/format.h>

#include "core/error.hpp"
#include "models/ann/rwkv4.hpp"
#include "models/families.hpp"

namespace spikeloom {
namespace {

using Config = SpikeGptClassifierConfig;

// The sizes of the authors' scripts: sst-5.py and subj.py, sst-2.py and mr.py.
struct Size {
  std::string_view name;
  int64_t layers, width;
  std::string_view note;
};
constexpr Size kSizes[] = {{"small", 12, 512, "SST-5 and Subj"},
                           {"large", 24, 768, "SST-2 and MR"}};
constexpr int64_t kVocabulary = 50277;  // of the 20B tokenizer

Config start(std::string_view preset) {
  std::string names;
  for (const Size& size : kSizes) {
    if (size.name != preset) {
      names += (names.empty() ? "" : ", ") + std::string(size.name);
      continue;
    }
    Config config;
    config.net.layers = size.layers;
    config.net.width = size.width;
    config.net.vocabulary = kVocabulary;
    return config;
  }
  throw Error(ErrorCode::kUsage,
              fmt::format("no preset '{}' of spikegpt_classifier; there are {}", preset, names));
}

std::vector<ModelKey> keys_of(Config& c) {
  return {{"layers", IntegerField{&c.net.layers, 1, kMostLayers}},
          {"width", IntegerField{&c.net.width, 1, 65536}},
          {"vocabulary", IntegerField{&c.net.vocabulary, 1, 1 << 24}},
          {"seq_len", IntegerField{&c.seq_len, 0, 1 << 20}},
          {"num_classes", IntegerField{&c.num_classes, 1, 1000000}},
          choice_key("pooling", c.pooling, {"mean", "last"}),
          {"binary_embedding", FlagField{&c.net.binary_embedding}},
          {"ffn_pre", FlagField{&c.net.ffn_pre}},
          {"tau", RealField{&c.net.tau, 1.0, 1e6}},
          {"v_threshold", RealField{&c.net.v_threshold, 1e-6, 1e6}},
          choice_key("reset", c.net.reset, {"hard", "soft"})};
}

}  // namespace

Graph build_spikegpt_classifier(const SpikeGptClassifierConfig& config) {
  Config copy = config;
  require(range_fault(keys_of(copy)));
  Graph graph;
  NodeId x = add_spikegpt_body(graph, config.net);
  if (config.pooling == SpikeGptPooling::kMean) x = graph.add("pooled", StepMean{}, {x});
  const Linear head{config.net.width, config.num_classes, 0, "classify_head.weight", ""};
  graph.output("logits", graph.add("classify_head", head, {x}));
  return graph;
}

Family spikegpt_classifier_family() {
  Family row{.name = "spikegpt_classifier",
             .title = "SpikeGPT classifier",
             .about = "SpikeGPT that tells the class of a text",
             .sample = SampleKind::kSequence,
             .length_key = "seq_len",
             .default_preset = "small"};
  for (const Size& size : kSizes) {
    row.presets.push_back({std::string(size.name),
                           fmt::format("layers {}, width {}", size.layers, size.width),
                           fmt::format("the authors' scripts for {}", size.note)});
  }
  row.hints.extents = {{"classify_head.weight", 0, 1, "model.num_classes"},
                       {"emb.weight", 0, 1, "model.vocabulary"},
                       {"ln_out.weight", 0, 1, "model.width"}};
  row.remark = spikegpt_family().remark;
  row.start = [](std::string_view preset) { return ModelSpec::of(start(preset)); };
  row.keys = [](ModelSpec& spec) { return keys_of(spec.as<Config>()); };
  row.check = [](const ModelSpec&) -> std::optional<KeyFault> { return std::nullopt; };
  row.shape = [](const ModelSpec& spec) {
    const auto& c = spec.as<Config>();
    return ModelShape{
        .steps = c.seq_len, .length = c.seq_len, .channels = 1, .classes = c.num_classes};
  };
  row.build = [](const ModelSpec& spec, const DataShape&) {
    return build_spikegpt_classifier(spec.as<Config>());
  };
  row.fit = [](const ModelSpec& spec, const DataShape& data) {
    ModelSpec fitted = spec;
    auto& c = fitted.as<Config>();
    if (c.seq_len == 0) c.seq_len = data.frames;
    return fitted;
  };
  row.twin.title = "RWKV-4";
  row.twin.description = "RWKV-4 of the same shape, with the same head";
  row.twin.build = [](const ModelSpec& spec, const DataShape&) -> std::optional<Graph> {
    Config config = spec.as<Config>();
    config.net = rwkv4_of(config.net);
    return without_neurons(build_spikegpt_classifier(config));
  };
  row.settings = [](const ModelSpec& spec) {
    const auto& c = spec.as<Config>();
    return fmt::format("embedding {}, {}", c.net.binary_embedding ? "binary" : "real",
                       c.pooling == SpikeGptPooling::kMean ? "the mean over the tokens is read"
                                                           : "the last token's state is read");
  };
  return row;
}

}  // namespace spikeloom
