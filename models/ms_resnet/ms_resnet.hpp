#pragma once
// MS-ResNet: Hu, Deng, Wu, Yao, Li, "Advancing Spiking Neural Networks Toward Deep Residual
// Learning", IEEE TNNLS 2024. The networks of 18 and 34 layers of the authors' program: a residual
// stream of membrane potentials, real, to which every block adds BN(conv(LIF(BN(conv(LIF(u)))))).
// Where a stage changes width and resolution, the stream itself passes a 1x1 convolution, which
// therefore multiplies real numbers.
//
//   LIF    h = decay * v * (1 - s) + x, fires at h > v_threshold: hard reset to 0, plain input
//   stem   BN(conv 7x7, stride 2), of the image alone: computed once for all steps
//   head   LIF, spatial mean of its spikes, mean over the steps, fc
//
// Node and tensor names are the official module paths (conv3_x.0.residual_function.1.weight), so
// official checkpoints load. "logits" is [classes].

#include <array>
#include <cstdint>
#include <optional>

#include "sim/graph/graph.hpp"

namespace spikeloom {

struct Family;

struct MsResnetConfig {
  std::array<int64_t, 4> widths = {64, 128, 256, 512};  // of conv2_x to conv5_x; the stem's: first
  std::array<int64_t, 4> depths = {2, 2, 2, 2};         // blocks; the first halves the resolution
  int64_t num_classes = 1000, in_channels = 3;
  int64_t height = 224, width = 224;
  bool static_input = true;  // one frame for all steps; false: a frame per step
  // Whole numbers of events: 0 and 1 spikes, more levels; none: real values.
  std::optional<LevelRange> events{};
  float decay = 0.25f;  // share of the membrane potential that is left a step later
  float v_threshold = 0.5f;
  int64_t time_steps = 6;  // of a sample; the graph is that of any number
};

// Throws Error(kUsage) for impossible dimensions.
Graph build_ms_resnet(const MsResnetConfig& config);

// Its row of the table of families.
Family ms_resnet_family();

}  // namespace spikeloom
