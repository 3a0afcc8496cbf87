#pragma once
// Meta-SpikeFormer (Spike-driven Transformer V2): Yao et al., "Spike-driven Transformer V2: Meta
// Spiking Neural Network Architecture Inspiring the Design of Next-generation Neuromorphic Chips",
// ICLR 2024.
//
// Node and tensor names are the official module paths, so official checkpoints load unchanged.
// Feature maps a detector or segmenter uses are named outputs after the last block of each stage:
// "ConvBlock1_1.0", "ConvBlock1_2.0", "ConvBlock2_2.0", "block3.5", "block4.1": real residual
// streams [H, W, C], not spikes. "logits" is [classes].

#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "sim/graph/graph.hpp"

namespace spikeloom {

struct Family;

// What the classifier `head` reads after the spatial mean. kSpike: the final neurons' spikes
// (official since March 2024). kMean: the real mean (before); a second head always reads the
// spikes.
enum class HeadMode { kSpike, kMean };

struct SpikeformerConfig {
  std::array<int64_t, 4> embed_dim = {64, 128, 256, 360};
  int64_t num_heads = 8;
  int64_t num_classes = 1000;
  int64_t in_channels = 3;
  int64_t height = 224, width = 224;
  // Blocks of ConvBlock1_1.<i>, ConvBlock1_2.<i>, ConvBlock2_<i+1>.0, block3.<i>, block4.<i>.
  std::array<int64_t, 5> depths = {1, 1, 2, 6, 2};
  // downsample1_1, 1_2, 2, 3, 4
  std::array<int64_t, 5> strides = {2, 2, 2, 2, 1};
  int64_t mlp_ratio = 4;  // of the channel convolutions and of the MLPs
  bool kd = false;        // second head, logits averaged
  HeadMode head_mode = HeadMode::kSpike;
  bool static_input = true;  // one frame for all steps; false: a frame per step
  // Whole numbers of events: 0 and 1 spikes, more levels; none: real values.
  std::optional<LevelRange> events{};
  // Neuron of all layers; attention's attn_lif has its own threshold.
  float tau = 2.0f;
  float v_threshold = 1.0f;
  float attn_v_threshold = 0.5f;
  float attn_scale = 0.125f;
  int64_t time_steps = 4;  // of a sample; the graph is that of any number
};

struct SpikeformerPreset {
  std::string_view name;
  std::array<int64_t, 4> embed_dim;
  std::string_view note;
};
const std::vector<SpikeformerPreset>& spikeformer_presets();
// Throws Error(kUsage) listing the presets.
SpikeformerConfig spikeformer_preset(std::string_view name);

// Throws Error(kUsage) for impossible dimensions (odd embed_dim[0], channels that do not divide
// into heads, an image smaller than the network).
Graph build_spikeformer(const SpikeformerConfig& config);

// Its row of the table of families.
Family spikeformer_family();

}  // namespace spikeloom
