#pragma once
// Token ids of a text or an array, as rows that a model reads from its initial state.

#include <filesystem>
#include <string>
#include <vector>

#include "datasets/tokenizer.hpp"

namespace spikeloom {

struct TokenRows {
  std::vector<std::vector<int32_t>> rows;  // one of a text, B of an array
  std::string description;
  int64_t unknown = 0;  // characters outside the vocabulary, replaced
};

// A whole file as one row. UTF-16 with a byte order mark is accepted, for bytes too kept as it is.
// Throws Error(kData) for an empty file, invalid UTF-8 and what the tokenizer refuses.
TokenRows load_text_rows(const std::filesystem::path& path, const Tokenizer& tokenizer);

// Integers [B, T] or [T] of a .npy file, each in [0, vocabulary). Throws Error(kData) naming the
// first that is not.
TokenRows load_npy_rows(const std::filesystem::path& path, int64_t vocabulary);

}  // namespace spikeloom
