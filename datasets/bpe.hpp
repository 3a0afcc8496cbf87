#pragma once
// BPE as Hugging Face tokenizers runs it: added tokens, normalisation, pieces, lowest merge rank
// first; over the bytes of a text or over its characters.

#include <array>
#include <cstdint>
#include <nlohmann/json_fwd.hpp>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "datasets/added_tokens.hpp"
#include "datasets/text_split.hpp"

namespace spikeloom {

enum class TokenKind : uint8_t { kNone, kText, kSpecial };  // kNone: an id without a token

struct BpeTokenizer {
  struct Merge {
    int32_t rank, id;
  };
  std::vector<std::string> pieces;             // by id: the bytes it stands for
  std::vector<TokenKind> kinds;                // by id
  std::unordered_map<uint64_t, Merge> merges;  // left id << 32 | right id
  AddedTokens raw, normalized;                 // split off before and after normalisation
  std::vector<Normalizer> normalizers;
  std::vector<Splitter> splitters;
  bool byte_level = false;      // merges bytes, else characters
  bool prefix_space = false;    // a piece that starts without a space gets one, before `words`
  std::vector<Splitter> words;  // of the byte level: GPT-2's pattern, or nothing

  std::array<int32_t, 256> bytes{};                  // id of a single byte, -1: none
  std::unordered_map<char32_t, int32_t> characters;  // id of a single character
  std::array<int32_t, 256> fallback{};               // a character without an id: those of its
  bool falls_back = false;                           // bytes, where all are there
  int32_t unknown = -1;                              // else this one, -1: nothing
  bool fuse_unknown = false;                         // one for several in a row
  std::unordered_map<std::string, int32_t> whole;    // pieces that are tokens need no merges
  size_t decoded_strip = 0;                          // spaces dropped from the start of a text
};

// Throws Error(kData), starting with `what`, for parts that are not supported, by their names.
BpeTokenizer read_bpe(const nlohmann::json& root, const std::string& what);

struct Encoded {
  std::vector<int32_t> ids;
  // Characters (of a byte level: bytes) outside the vocabulary, replaced or left out.
  int64_t unknown = 0;
  std::string first_unknown;  // "U+00E9", "byte 0xE9"
};

// "U+00E9"
std::string name_of_character(char32_t c);

// No special tokens are put in front or behind. Throws Error(kData) for invalid UTF-8. Pieces take
// O(n log n) in their length.
Encoded encode_bpe(const BpeTokenizer& bpe, std::string_view text, const std::string& what);

}  // namespace spikeloom
