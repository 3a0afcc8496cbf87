#pragma once
// Texts and token ids as people write them.

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace spikeloom {

// \n, \t, \r, \\, \xHH (a byte) and \uHHHH or \u{H..} (a character) as what they stand for. Throws
// Error(kUsage) "<what>: ..." for any other backslash.
std::string unescaped(const std::string& text, const char* what);

// Ids of a .npy array of integers [T] or [1, T], or written one after the other; `what` names them
// in errors. Throws Error(kData) for anything else and for ids outside [0, vocabulary).
std::vector<int32_t> token_ids_of(std::string_view bytes, int64_t vocabulary,
                                  const std::string& what);

}  // namespace spikeloom
