#pragma once
// The next token, chosen as the authors' generator chooses it. Thread-safe: pure functions.
//
//   p = softmax(logits); sorted descending, the first sum that exceeds top_p names a cutoff (its
//   last addend); p below the cutoff becomes 0, ties with it stay; then p^(1 / temperature); one is
//   drawn with odds proportional to what is left, without renormalising first.
//
// Quirks kept: temperature acts after the cut; with top_p >= 1 no sum exceeds it, the search ends
// at the first place, and only the largest probability (and its ties) stays. Sums run in fp32 over
// the sorted probabilities, as theirs do. Draws come from the counter-based generator: (seed,
// position) fixes them.

#include <cstdint>
#include <span>
#include <vector>

namespace spikeloom {

struct Sampling {
  double temperature = 1.0;
  double top_p = 0.7;
  uint64_t seed = 0;
};

// Odds of every token. Logits must be finite; temperature > 0.
std::vector<float> sampling_weights(std::span<const float> logits, double temperature,
                                    double top_p);

// Token at `position` of the sequence.
int32_t sample_token(std::span<const float> logits, const Sampling& sampling, int64_t position);

}  // namespace spikeloom
