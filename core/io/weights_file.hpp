#pragma once
// One door to every weight format: safetensors, PyTorch, NumPy.

#include <cstddef>
#include <filesystem>
#include <span>
#include <string>
#include <vector>

#include "core/weights.hpp"

namespace spikeloom {

// The named tensors of a file whose format is told by its content, never by its name: safetensors,
// .pth (zip or legacy), .npz. Tensors of element types that a Tensor cannot hold are left out and
// listed as "name (type)". Throws Error(kData); for unknown content it lists what is accepted.
// Thread-safe.
Weights load_weights(const std::filesystem::path& path,
                     std::vector<std::string>* left_out = nullptr);
// `what` starts every error message.
Weights parse_weights(std::span<const std::byte> bytes, const std::string& what,
                      std::vector<std::string>* left_out = nullptr);

// Identity of the numbers of a network, whatever file they came from: the SHA-256 of one line
// "<name>\t<dtype>\t<shape>\t<SHA-256 of its little-endian bytes>\n" per tensor in byte order of
// the names, the shape as "[2, 3]"; a tensor with a scale has its dtype, shape and hash as three
// more fields.
std::string weights_hash(const Weights& weights);

// Float tensors rounded to float16 (to nearest, ties to even), the others as they are, scales kept.
// Throws Error(kData) naming the tensor when a finite value exceeds the range of float16 (65504).
Weights round_to_f16(const Weights& weights);

}  // namespace spikeloom
