#pragma once
// SpikeGPT for understanding: classes of whole texts, section 4.4 of its publication (see
// spikegpt.hpp). The state behind the last norm, pooled over the tokens, is read by a head without
// a bias. The authors' class (model_classify) was never published: its head is classify_head in
// their scripts, the mean over all tokens is the pooling of the one reproduction that reports its
// accuracy. A text is padded on the right to seq_len tokens, and padding is read like any token.
//
// Input: token ids [seq_len, 1]; output "logits" [num_classes] after every token, of the tokens
// so far. Arrays and populations are SpikeGPT's, but for the head: classify_head.weight
// [num_classes, width].

#include "models/spikegpt/spikegpt.hpp"

namespace spikeloom {

enum class SpikeGptPooling { kMean, kLast };

struct SpikeGptClassifierConfig {
  SpikeGptConfig net;
  int64_t seq_len = 0;  // 0: as many as a sample has
  int64_t num_classes = 2;
  SpikeGptPooling pooling = SpikeGptPooling::kMean;
};

// Throws Error(kUsage) for impossible dimensions.
Graph build_spikegpt_classifier(const SpikeGptClassifierConfig& config);

// Its row of the table of families.
Family spikegpt_classifier_family();

}  // namespace spikeloom
