#pragma once
// Weights in shards: an index.json with "weight_map", the file of each tensor, beside the shards.

#include <filesystem>
#include <functional>

#include "core/io/weights_file.hpp"

namespace spikeloom {

// Starts like an index, and like no weight file.
bool is_weights_index(std::span<const std::byte> head) noexcept;

// The shards' tensors in one group. Shards are plain file names beside the index (links are
// followed) and are opened with `open`; each tensor of the index must be in the shard that it
// names, and no tensor in two.
WeightsFile open_index(const std::filesystem::path& path,
                       const std::function<WeightsFile(const std::filesystem::path&)>& open);

// The file of a folder that stands for its weights: its only index (that of safetensors first), or
// else its only safetensors or .bin file.
std::filesystem::path weights_in_folder(const std::filesystem::path& folder);

}  // namespace spikeloom
