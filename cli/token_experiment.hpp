#pragma once
// An experiment file of a token model as checked values.

#include <optional>

#include "cli/experiment.hpp"
#include "datasets/token_rows.hpp"
#include "datasets/tokenizer.hpp"

namespace spikeloom {

struct TokenExperiment : CommonExperiment {
  bool has_twin() const { return model.family->twin.build != nullptr; }
  struct Data {
    std::string kind;  // "binidx" | "text" | "tokens"
    std::filesystem::path path;
    std::string split;      // of a text, "": all of it
    std::string vocab;      // resolved path, "bytes", or "" (no text; text of 256 tokens)
    int64_t window = 1024;  // tokens before the state is reset; 0: never
    int64_t limit = -1;     // windows; -1: all
    int64_t skip = 0;       // windows left out at the start
    WantedWindows wanted() const { return {window, skip, limit}; }
  } data;
};

// Throws Error(kUsage), also for a network of anything but tokens.
TokenExperiment read_token_experiment(Config& config);

// The tokenizer a network of so many tokens needs: `vocab` is a file, "bytes", or "" for bytes
// where there are 256. The network may know more tokens, for vocabularies are padded, never fewer.
// `option` names it in errors. Throws Error(kUsage, kData).
Tokenizer tokenizer_for(const std::string& vocab, int64_t vocabulary, const char* option);

// Runs it: report.json, report.csv, trace.h5, for tokens logits.npy; prints the table unless quiet.
// `resume` continues the unfinished run in the output folder. Returns the exit code.
int run_token_experiment(Config config, bool quiet, bool resume);

}  // namespace spikeloom
