#pragma once
// A Meta-SpikeFormer of one block of each kind on 32 x 32 images, for tests of what is built on
// networks.

#include "models/spikeformer/spikeformer.hpp"

namespace spikeloom {

inline SpikeformerConfig small_spikeformer() {
  SpikeformerConfig config;
  config.height = config.width = 32;
  config.in_channels = 1;
  config.num_classes = 4;
  config.embed_dim = {8, 16, 16, 24};
  config.num_heads = 2;
  config.depths = {1, 1, 1, 1, 1};
  config.mlp_ratio = 2;
  return config;
}

}  // namespace spikeloom
