#include "cli/token_experiment.hpp"

#include <fmt/format.h>

#include <algorithm>

#include "core/error.hpp"
#include "datasets/token_rows.hpp"

namespace spikeloom {
namespace {

void read_data(Config& config, TokenExperiment& e) {
  e.data.kind = config.require_choice("dataset.kind", {"binidx", "text", "tokens"});
  e.data.path = config.require_path("dataset.path");
  const std::string vocab = config.text("dataset.vocab", "");
  e.data.vocab = vocab.empty() || vocab == "bytes"
                     ? vocab
                     : config.resolve_path("dataset.vocab", vocab).string();
  if (config.has("dataset.split")) {
    const std::vector<std::string> splits(std::begin(kTextSplits), std::end(kTextSplits));
    e.data.split = config.choice("dataset.split", "", splits);
    if (e.data.kind != "text") throw config.error_at("dataset.split", "only a text has parts");
  }
  e.data.window = config.integer("dataset.window", 1024, 0);
  e.data.limit = config.integer("dataset.limit", -1, -1);
  e.data.skip = config.integer("dataset.skip", 0, 0);
}

// Keys of image networks whose absence deserves a reason.
void refuse_image_keys(Config& config) {
  if (config.flag("report.neurobench", false)) {
    throw config.error_at("report.neurobench", "a time mix has no NeuroBench count");
  }
  if (config.flag("output.per_step", false)) {
    throw config.error_at("output.per_step",
                          "of token arrays, logits.npy holds every step already");
  }
}

}  // namespace

TokenExperiment read_token_experiment(Config& config) {
  TokenExperiment e;
  e.model = read_model(config);
  const Family& family = *e.model.family;
  if (family.sample != SampleKind::kTokens) {
    throw config.error_at("model.family",
                          fmt::format("{} reads no tokens; these do: {}", family.name,
                                      family_names(SampleKind::kTokens)));
  }
  read_data(config, e);
  read_common(config, e.data.kind == "tokens", e);
  if (e.has_twin()) read_twin(config, e);
  refuse_image_keys(config);
  if (config.has("chip")) {
    throw config.error_at("chip",
                          "runs of token models are priced from their trace: spikeloom chip");
  }
  if (config.has("what_if")) {
    throw config.error_at("what_if", "runs of token models do not ask what if");
  }
  config.reject_unknown();
  if (e.run.form != "as_written") {
    throw config.error_at("run.form", "token models have nothing to fuse: as_written");
  }
  if (e.weights.path.empty()) {
    try {
      family.checkpoint.complete(e.model.spec, nullptr, {.frames = e.data.window});
    } catch (const Error& error) {
      throw config.error_at("model.family", error.what());
    }
  }
  return e;
}

Tokenizer tokenizer_for(const std::string& vocab, int64_t vocabulary, const char* option) {
  if (vocab.empty() && vocabulary != 256) {
    throw Error(ErrorCode::kUsage,
                fmt::format("{} is needed: the network knows {} tokens, which are no bytes", option,
                            vocabulary));
  }
  const bool bytes = vocab.empty() || vocab == "bytes";
  Tokenizer tokenizer = bytes ? Tokenizer(ByteTokenizer{}) : load_tokenizer(vocab);
  if (vocabulary_of(tokenizer) > vocabulary) {
    throw Error(ErrorCode::kData,
                fmt::format("{} has {} tokens, the network {}", bytes ? "bytes" : vocab,
                            vocabulary_of(tokenizer), vocabulary));
  }
  return tokenizer;
}

}  // namespace spikeloom
