#include "run/source.hpp"

#include <fmt/format.h>

#include "core/error.hpp"
#include "datasets/binidx.hpp"
#include "datasets/whole_sequence.hpp"

namespace spikeloom {
namespace {

TokenRows load_rows(const Experiment::Tokens& tokens, const std::optional<Tokenizer>& tokenizer,
                    int64_t vocabulary) {
  if (tokens.kind == TokenFile::kText) return load_text_rows(tokens.path, *tokenizer, tokens.split);
  if (tokens.kind == TokenFile::kBinidx)
    return load_binidx_rows(tokens.path, vocabulary, tokens.wanted());
  return load_npy_rows(tokens.path, vocabulary, tokens.wanted(), tokens.ids.get());
}

Source open_tokens(const Experiment& experiment, int64_t vocabulary) {
  const Experiment::Tokens& tokens = experiment.tokens;
  Source source;
  source.steps = 0;
  if (tokens.kind == TokenFile::kText || !tokens.vocab.empty())
    source.tokenizer = tokenizer_for(tokens.vocab, vocabulary, "dataset.vocab");
  auto windows = std::make_unique<const TokenWindows>(
      load_rows(tokens, source.tokenizer, vocabulary), tokens.wanted());
  const int64_t size = windows->info().size;
  if (size == 0) {
    throw Error(ErrorCode::kData,
                fmt::format("{}: no windows of tokens (dataset.skip {}, dataset.limit {})",
                            tokens.path.string(), tokens.skip, tokens.limit));
  }
  const TokenRows& rows = windows->rows();
  source.is_whole_array =
      tokens.kind == TokenFile::kTokens && !rows.cut &&
      windows->tokens_before(size) ==
          static_cast<int64_t>(rows.rows.size()) * static_cast<int64_t>(rows.rows[0].size());
  source.windows = windows.get();
  source.opened = std::move(windows);
  return source;
}

}  // namespace

Shape Source::leading(int64_t done) const {
  const int64_t tokens = steps_before(done);
  if (!is_whole_array || done < info().size) return {tokens};
  const auto rows = static_cast<int64_t>(windows->rows().rows.size());
  return {rows, tokens / rows};
}

Source open_source(const Experiment& experiment, int64_t vocabulary) {
  Source source;
  if (experiment.reads_tokens()) {
    source = open_tokens(experiment, vocabulary);
  } else {
    auto opened = open_dataset(dataset_of(experiment));
    if (experiment.model.family->sample == SampleKind::kWholeSequence)
      opened = whole_sequences(std::move(opened));
    source.steps = experiment.model.shape().steps;
    source.opened = std::move(opened);
  }
  source.samples = std::make_unique<WatchedDataset>(*source.opened);
  return source;
}

}  // namespace spikeloom
