#pragma once
// Texts and token ids that come from a file or standard input.

#include <cstdint>
#include <string>
#include <vector>

#include "datasets/token_text.hpp"

namespace spikeloom {

// All of standard input. Throws Error(kData) beyond 1 GiB.
std::string read_standard_input();

// Its first `count` bytes, fewer where it is shorter; what is read otherwise goes on behind them.
std::string read_start_of_standard_input(size_t count);

// Ids of a .npy array of integers [T] or [1, T], or written one after the other; "-" is standard
// input. Throws Error(kData) for anything else and for ids outside [0, vocabulary).
std::vector<int32_t> read_token_ids(const std::string& path, int64_t vocabulary);

}  // namespace spikeloom
