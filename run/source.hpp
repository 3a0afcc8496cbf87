#pragma once
// The samples of a run, whatever they are: images, sequences, windows of tokens.

#include <memory>
#include <optional>

#include "datasets/token_windows.hpp"
#include "datasets/tokenizer.hpp"
#include "datasets/watched.hpp"
#include "run/experiment.hpp"

namespace spikeloom {

struct Source {
  std::unique_ptr<const Dataset> opened;
  std::unique_ptr<WatchedDataset> samples;  // the same, which remembers what it read
  int64_t steps = 1;                        // of a sample; 0: they differ
  const TokenWindows* windows = nullptr;    // `opened`, where it is windows of tokens
  std::optional<Tokenizer> tokenizer;       // token ids need none
  bool is_whole_array = false;              // every token of an array [B, T]

  const DatasetInfo& info() const { return opened->info(); }
  int64_t longest() const { return windows != nullptr ? windows->longest() : steps; }
  // Steps of the samples before `index`.
  int64_t steps_before(int64_t index) const {
    return windows != nullptr ? windows->tokens_before(index) : index * steps;
  }
  // The extents in front of a step's own in arrays of `done` samples that have a row for every step.
  Shape leading(int64_t done) const;
  // "samples", "windows"
  std::string units() const { return std::string(info().unit) + "s"; }
};

// Opens what the experiment names. `vocabulary`: of a network of tokens. Throws Error(kUsage),
// Error(kData).
Source open_source(const Experiment& experiment, int64_t vocabulary);

}  // namespace spikeloom
