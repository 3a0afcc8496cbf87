#pragma once
// ResNet: He, Zhang, Ren, Sun, "Deep Residual Learning for Image Recognition", CVPR 2016: the dense
// network that MS-ResNet descends from, and the one that spiking transformers are published beside
// (ResNet-152 trained as "ResNet strikes back"). In later blocks' first layer the stride stands at
// the 3x3 convolution, as in the programs that are used today.
//
//   stem   conv 7x7 stride 2, BN, ReLU, max pool 3x3 stride 2
//   basic block       ReLU(x + BN(conv3x3(ReLU(BN(conv3x3(x))))))
//   bottleneck block  1x1 to `planes`, 3x3, 1x1 to 4 planes, BN behind each
//   head   spatial mean, fc
// Where a stage changes width or resolution, x passes a 1x1 convolution and a BN.
//
// Node and tensor names are those of torchvision and timm (layer1.0.conv1.weight,
// layer2.0.downsample.0.weight), so their checkpoints load. Input: one image; output "logits"
// [classes].

#include <array>
#include <cstdint>
#include <optional>

#include "sim/graph/graph.hpp"

namespace spikeloom {

struct Family;

struct ResnetConfig {
  std::array<int64_t, 4> planes = {64, 128, 256, 512};  // of layer1 to layer4; the stem's: first
  std::array<int64_t, 4> depths = {2, 2, 2, 2};         // blocks
  bool bottleneck = false;
  int64_t num_classes = 1000, in_channels = 3;
  int64_t height = 224, width = 224;
  // Whole numbers of events: 0 and 1 spikes, more levels; none: real values.
  std::optional<LevelRange> events{};
};

// Throws Error(kUsage) for impossible dimensions.
Graph build_resnet(const ResnetConfig& config);

// Its row of the table of families.
Family resnet_family();

}  // namespace spikeloom
