#pragma once
// Keyword Transformer: Berg, O'Connor, Cruz, "Keyword Transformer: A Self-Attention Model for
// Keyword Spotting", Interspeech 2021. Every frame is a token; a class token in front, learned
// positions, 12 post-norm blocks (x = LN(x + Attn(x)), x = LN(x + MLP(x)), eps 1e-6; no bias in
// query, key and value), exact GELU; the classifier reads the class token, without a last norm.
// Input: one step [frames, in_channels]; output "logits" [classes]. Published networks read 98
// frames of 40 MFCC.
//
// Tensors: patch_embed (weight [dim, in_channels], bias), cls_token [1, 1, dim], pos_embed [1,
// frames + 1, dim], blocks.<i>.attn.{query,key,value}.weight, .attn.proj, .norm1, .norm2,
// .mlp.{fc1,fc2} (weight, bias), head (weight [classes, dim], bias).

#include <cstdint>
#include <optional>
#include <string_view>
#include <vector>

#include "sim/graph/graph.hpp"

namespace spikeloom {

struct Family;

struct KwtConfig {
  int64_t frames = 98, in_channels = 40, num_classes = 35;
  int64_t dim = 64, heads = 1, layers = 12;
  int64_t mlp = 256;  // hidden width
  // Whole numbers of events: 0 and 1 spikes, more levels; none: real values.
  std::optional<LevelRange> events{};
};

struct KwtPreset {
  std::string_view name;
  KwtConfig config;
};
const std::vector<KwtPreset>& kwt_presets();
// Throws Error(kUsage) listing the presets.
KwtConfig kwt_preset(std::string_view name);

// Throws Error(kUsage) for impossible dimensions.
Graph build_kwt(const KwtConfig& config);

// Its row of the table of families.
Family kwt_family();

}  // namespace spikeloom
