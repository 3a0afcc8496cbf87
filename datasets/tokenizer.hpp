#pragma once
// Text to token ids and back: single characters, byte-level BPE (Hugging Face tokenizer.json),
// bytes. Thread-safe after loading.

#include <array>
#include <cstdint>
#include <filesystem>
#include <string>
#include <string_view>
#include <unordered_map>
#include <variant>
#include <vector>

namespace spikeloom {

// The distinct code points of a text, sorted; id = rank. Stored as a JSON object {"0": "c", ...},
// UTF-16 with byte order mark in the authors' files, UTF-8 accepted.
struct CharTokenizer {
  std::vector<char32_t> symbols;
  std::unordered_map<char32_t, int32_t> ids;
  int32_t unknown = -1;  // stands for every other character: the space's id, -1 without one
};

// Byte-level BPE as GPT-NeoX' 20B tokenizer: NFC, added tokens, pieces by GPT-2's rule, lowest
// merge rank first.
struct BpeTokenizer {
  struct Merge {
    int32_t rank, id;
  };
  struct Added {
    std::string text;
    int32_t id;
  };
  std::vector<std::string> pieces;             // by id: the bytes it stands for
  std::array<int32_t, 256> bytes{};            // id of a single byte, -1: none, dropped
  std::unordered_map<uint64_t, Merge> merges;  // left id << 32 | right id
  std::vector<Added> raw, normalized;          // split off before and after normalisation
};

struct ByteTokenizer {};

using Tokenizer = std::variant<CharTokenizer, BpeTokenizer, ByteTokenizer>;

// A character vocabulary or a tokenizer.json, told apart by content; "bytes" needs no file. Throws
// Error(kData) for damaged files and for settings other than those above.
Tokenizer load_tokenizer(const std::filesystem::path& path);
Tokenizer parse_tokenizer(std::string_view bytes, const std::string& what);

// Ids lie below this.
int64_t vocabulary_of(const Tokenizer& tokenizer);
// "characters", "byte-level BPE", "bytes"
std::string describe(const Tokenizer& tokenizer);

struct Encoded {
  std::vector<int32_t> ids;
  int64_t unknown = 0;  // characters outside the vocabulary, replaced
};
// `what` names the text in errors. Throws Error(kData) for invalid UTF-8 (bytes excepted) and for
// characters outside a vocabulary that cannot replace them.
Encoded encode(const Tokenizer& tokenizer, std::string_view text, const std::string& what);

// The bytes the ids stand for: a piece of UTF-8 text, perhaps cut inside a character (lossy_utf8,
// complete_prefix). Throws Error(kData) for an id outside the vocabulary.
std::string decode(const Tokenizer& tokenizer, const std::vector<int32_t>& ids);

// How the authors' generator prepares a prompt for a character model: lines stripped, empty ones
// dropped, one newline in front.
std::string refine_prompt(std::string_view prompt);

}  // namespace spikeloom
