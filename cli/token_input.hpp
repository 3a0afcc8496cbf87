#pragma once
// Texts and token ids that come from a command line, a file or standard input.

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "datasets/tokenizer.hpp"

namespace spikeloom {

// All of standard input. Throws Error(kData) beyond 1 GiB.
std::string read_standard_input();

// Its first `count` bytes, fewer where it is shorter; what is read otherwise goes on behind them.
std::string read_start_of_standard_input(size_t count);

// \n, \t, \r, \\, \xHH (a byte) and \uHHHH or \u{H..} (a character) as what they stand for. Throws
// Error(kUsage) "<what>: ..." for any other backslash.
std::string unescaped(const std::string& text, const char* what);

// Ids of a .npy array of integers [T] or [1, T], or written one after the other; "-" is standard
// input. Throws Error(kData) for anything else and for ids outside [0, vocabulary).
std::vector<int32_t> read_token_ids(const std::string& path, int64_t vocabulary);

// The same from the bytes of a file; `what` names it in errors.
std::vector<int32_t> token_ids_of(std::string_view bytes, int64_t vocabulary,
                                  const std::string& what);

}  // namespace spikeloom
