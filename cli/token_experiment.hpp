#pragma once
// An experiment file of a token model as checked values.

#include <optional>

#include "cli/experiment.hpp"
#include "datasets/token_rows.hpp"
#include "datasets/tokenizer.hpp"
#include "models/spikegpt/spikegpt.hpp"

namespace spikeloom {

struct TokenExperiment {
  std::string family;  // "spikegpt" | "rwkv4" | "gpt"
  std::string preset;
  // What the file says about the network; 0 and nullopt: as the checkpoint says.
  int64_t layers = 0, width = 0, vocabulary = 0;
  std::optional<bool> binary_embedding;
  int64_t rescale_every = 0;
  bool ffn_pre = false;            // of random weights; a checkpoint's tensors tell
  int64_t heads = 0, context = 0;  // GPT
  float tau = 2, v_threshold = 1;
  Reset reset = Reset::kHard;
  Experiment::WeightSource weights;
  std::filesystem::path twin_weights;  // of RWKV-4; "": counted, not executed
  std::string twin_select;             // as weights.select

  bool spikes() const { return family == "spikegpt"; }
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
  Experiment::Run run;
  Experiment::Trace trace;
  std::filesystem::path output_dir;
  std::vector<std::string> features, membranes;  // to write, besides
  bool logits = false;                           // logits.npy
  double checkpoint_s = 1;                       // shortest time between two checkpoints
};

// Families whose samples are token ids.
inline constexpr const char* kTokenFamilies[] = {"gpt", "rwkv4", "spikegpt"};
bool is_token_family(const std::string& family);

// Throws Error(kUsage).
TokenExperiment read_token_experiment(Config& config);

// The tokenizer a network of so many tokens needs: `vocab` is a file, "bytes", or "" for bytes
// where there are 256. The network may know more tokens, for vocabularies are padded, never fewer.
// `option` names it in errors. Throws Error(kUsage, kData).
Tokenizer tokenizer_for(const std::string& vocab, int64_t vocabulary, const char* option);

// Runs it: report.json, report.csv, trace.h5, for tokens logits.npy; prints the table unless quiet.
// `resume` continues the unfinished run in the output folder. Returns the exit code.
int run_token_experiment(Config config, bool quiet, bool resume);

}  // namespace spikeloom
