#pragma once
// Compressed packets: LZ4 and Zstandard frames of untrusted origin.

#include <cstddef>
#include <span>
#include <vector>

namespace spikeloom {

enum class Packing { kNone, kLz4, kZstd };

// What one or more frames unpack to. Memory grows with what comes out; more than 256 times the
// packed bytes (or 1 MiB), or than 256 MiB, is refused. Throws Error(kData).
std::vector<std::byte> unpack(std::span<const std::byte> packed, Packing packing);

}  // namespace spikeloom
