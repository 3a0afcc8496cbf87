#pragma once
// Text to token ids and back: single characters, BPE (Hugging Face tokenizer.json), bytes.
// Thread-safe after loading.

#include <cstdint>
#include <filesystem>
#include <string>
#include <string_view>
#include <unordered_map>
#include <variant>
#include <vector>

#include "datasets/bpe.hpp"

namespace spikeloom {

// The distinct code points of a text, sorted; id = rank. Stored as a JSON object {"0": "c", ...},
// UTF-16 with byte order mark in the authors' files, UTF-8 accepted.
struct CharTokenizer {
  std::vector<char32_t> symbols;
  std::unordered_map<char32_t, int32_t> ids;
  int32_t unknown = -1;  // stands for every other character: the space's id, -1 without one
};

struct ByteTokenizer {};

using Tokenizer = std::variant<CharTokenizer, BpeTokenizer, ByteTokenizer>;

// A character vocabulary or a tokenizer.json, told apart by content; "bytes" needs no file. Throws
// Error(kData) for damaged files and for settings other than those above.
Tokenizer load_tokenizer(const std::filesystem::path& path);
Tokenizer parse_tokenizer(std::string_view bytes, const std::string& what);

// Whether the tokenizer has a token for what it does not know.
bool spells_unknown(const Tokenizer& tokenizer);
// Ids lie below this.
int64_t vocabulary_of(const Tokenizer& tokenizer);
// Whether the id has a token that a text may hold: holes and special tokens have none.
bool is_text_token(const Tokenizer& tokenizer, int32_t id);
// "characters", "byte-level BPE", "BPE of characters", "bytes"
std::string describe(const Tokenizer& tokenizer);

// `what` names the text in errors. Throws Error(kData) for invalid UTF-8 (bytes excepted) and for
// characters outside a vocabulary that cannot replace them.
Encoded encode(const Tokenizer& tokenizer, std::string_view text, const std::string& what);

// The same for a text that must not lose a character: throws Error(kData) naming the first outside
// the vocabulary, unless the tokenizer itself has a token for those.
Encoded encode_exactly(const Tokenizer& tokenizer, std::string_view text, const std::string& what);

// The bytes the ids stand for: a piece of UTF-8 text, perhaps cut inside a character (lossy_utf8,
// complete_prefix). Some tokenizers put a space in front of a text and drop it again
// `from_start`. Throws Error(kData) for an id outside the vocabulary.
std::string decode(const Tokenizer& tokenizer, const std::vector<int32_t>& ids,
                   bool from_start = true);

// How the authors' generator prepares a prompt for a character model: lines stripped, empty ones
// dropped, one newline in front.
std::string refine_prompt(std::string_view prompt);

}  // namespace spikeloom
