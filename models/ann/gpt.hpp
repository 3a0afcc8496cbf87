#pragma once
// A vanilla GPT: learned positions, `layers` pre-norm blocks of causal attention and a GELU mixer
// of four times the width, no bias in the head. Source: Radford et al., "Language Models are
// Unsupervised Multitask Learners", 2019. Input: token ids [steps, 1], one a step; output "logits"
// [vocabulary]. Keys and values of earlier steps are kept, so that a token costs
// 12 width^2 layers MACs, 2 width layers for every token it sees, and the head.
//
// Tensors: tok_emb.weight [vocabulary, width], pos_emb [1, context, width], blocks.<i>.ln1, .ln2
// and ln_f (weight, bias), blocks.<i>.attn.{key,query,value,proj}, blocks.<i>.mlp.{0,2} (weight
// [out, in], bias), head.weight.

#include <cstdint>

#include "sim/graph/graph.hpp"

namespace spikeloom {

struct Family;
struct Baseline;

struct GptConfig {
  int64_t layers = 12, width = 512, vocabulary = 256;
  int64_t heads = 8;
  int64_t context = 1024;  // longest sequence
};

// Dimensions of a checkpoint but for the heads, which no tensor tells: width / 64, at least 1.
// Throws Error(kData) when the tensors are no GPT's.
GptConfig gpt_config_of(const Weights& weights);
// Names of arrays that every GPT has, to find them in a file by.
NameSet gpt_landmarks();

// Throws Error(kUsage) for impossible dimensions.
Graph build_gpt(const GptConfig& config);

// A GPT of as many layers and channels as a network of another kind, its heads of 64 channels,
// whose tokens see as many.
Baseline gpt_baseline(int64_t layers, int64_t width, int64_t vocabulary, int64_t context);

// Its row of the table of families.
Family gpt_family();

}  // namespace spikeloom
