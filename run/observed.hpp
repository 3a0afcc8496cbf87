#pragma once
// What a sample shows while it runs: everything that a run writes or counts of it.

#include <optional>
#include <string>
#include <vector>

#include "datasets/dataset.hpp"
#include "hw_model/report/report.hpp"
#include "run/watched_arrays.hpp"
#include "sim/plan/session.hpp"

namespace spikeloom {

// Of one chunk, or of the chunks of a sample that waits for its turn.
struct Observed {
  int64_t steps = 0;
  std::vector<std::vector<uint64_t>> bits;  // by population; none where they stand in a session
  std::vector<std::vector<float>> rows;     // by watched array
  // -log p of the tokens that followed; nothing: logits or state were no numbers.
  std::vector<std::optional<double>> surprises;
  std::vector<float> logits;  // of the last step, where no tokens follow
};

// Adds the last chunk of a session; `with_bits`: its spikes too. Allocates nothing beyond what was
// reserved where tokens follow.
void observe(const Session& session, const Sample& sample, NodeId logits,
             const std::vector<WatchedArray>& arrays, bool with_bits, Observed& observed);

// Memory for a sample of `steps` tokens: bits of `words` words a step by population.
Observed room_for(int64_t steps, const std::vector<int64_t>& words,
                  const std::vector<WatchedArray>& arrays);

// The bits that were kept, as sinks see a chunk; `bits`, `words`: memory for the result.
SpikeChunk chunk_of(const Observed& observed, const std::vector<Population>& populations,
                    std::vector<const uint64_t*>& bits, std::vector<int64_t>& words);

// Samples whose values left the range of fp32: they have no answer.
struct NotFinite {
  int64_t samples = 0;     // of a token model: predictions
  int64_t first = 0;       // which
  std::string where = "";  // the node that showed it first
  void add(int64_t sample, const std::string& node) {
    if (samples++ == 0) first = sample, where = node;
  }
};

// How good the answers were: by label, or by the tokens that followed.
struct Score {
  Accuracy accuracy;
  int64_t predictions = 0;  // of tokens, with
  double nats = 0;          // the sum of their surprise
  NotFinite not_finite;

  void add(const std::vector<std::optional<double>>& surprises);
  // The answer of a sample with these last logits and this label (-1: none): its class, or -1 where
  // `not_finite`, the node that shows it, or the logits say that there is none.
  int64_t add(int64_t index, int64_t label, const std::vector<float>& logits,
              std::string not_finite);
};

}  // namespace spikeloom
