#pragma once
// LMUFormer and spiking LMUFormer: Liu, Datta, Li, Beerel, "LMUFormer: Low Complexity Yet Powerful
// Spiking Model With Legendre Memory Units", ICLR 2024. The networks are those of the authors'
// program (models slmu_rnn_ms_conv1d and lmu_rnn_conv1d, and the psMNIST notebook), which differs
// from the paper's figures: the memory is linear and fed back unspiked, its spikes are only read
// out.
//
// One position of the sequence is one step: one frame of `in_channels` values in, [classes] logits
// out. "logits" is what the network answers after the steps so far: the mean of the head's outputs,
// or, in the psMNIST networks, the classifier on the mean (not spiking) or on the last step
// (spiking) of h. Node and tensor names are the official module paths, so official checkpoints
// load; their A, B, H are checked against the equations, never used. The Speech Commands networks
// look five steps ahead, one for each convolution; after the last frame five zero frames per
// convolution's own input follow (Session).

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "sim/graph/graph.hpp"

namespace spikeloom {

struct Family;

enum class LmuTask { kSpeechCommands, kPsmnist };

struct LmuformerConfig {
  LmuTask task = LmuTask::kSpeechCommands;
  bool spiking = true;
  LmuForm memory = LmuForm::kEvent;
  int64_t seq_len = 128;  // steps of one sample
  double theta = 128;     // window of the memory, steps
  int64_t in_channels = 128;
  // Whole numbers of events: 0 and 1 spikes, more levels; none: real values.
  std::optional<LevelRange> events{};
  int64_t num_classes = 35;
  // Speech Commands: width, memory order (0: the authors' 2 dim spiking, dim otherwise), blocks,
  // mixer. psMNIST: dim is the hidden width N_h, memory_size N_m; the rest is unused.
  int64_t dim = 256;
  int64_t memory_size = 0;
  int64_t layer = 1;
  int64_t mlp_ratio = 4;
  bool tables = true;  // false: the memory has one tap, which takes no computing (DataShape)
};

struct LmuformerPreset {
  std::string_view name;
  LmuformerConfig config;
  std::string_view note;
};
const std::vector<LmuformerPreset>& lmuformer_presets();
// Throws Error(kUsage) listing the presets.
LmuformerConfig lmuformer_preset(std::string_view name);

// Throws Error(kUsage) for impossible dimensions.
Graph build_lmuformer(const LmuformerConfig& config);

// Its row of the table of families.
Family lmuformer_family();

}  // namespace spikeloom
