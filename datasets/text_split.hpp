#pragma once
// What a tokenizer does to a text before it merges pairs: normalisation, then pre-tokenisation, as
// Hugging Face tokenizers does both. Pure functions; time and memory are linear in the text.

#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace spikeloom {

struct Normalizer {
  enum class Kind {
    kNfc,
    kNfd,
    kNfkc,
    kNfkd,
    kLowercase,     // every character by itself
    kStripAccents,  // drops combining marks
    kPrepend,       // `to` in front of what is not empty
    kReplace,       // every `from` by `to`
    kStrip,         // white space at the ends
  };
  Kind kind;
  std::string from, to;
  bool left = true, right = true;
};

// A text of so many bytes may grow to so many, four times as many and a little.
size_t most_after(size_t bytes);

// Every `from` (not empty) by `to`; nothing where the result is longer than `most` bytes.
std::optional<std::string> replaced(std::string_view text, const std::string& from,
                                    const std::string& to, size_t most);

// Throws Error(kData), starting with `what`, where the text grows beyond most_after() of it.
std::string normalized(const std::vector<Normalizer>& normalizers, std::string_view text,
                       const std::string& what);

// The rules that byte-level tokenizers cut words by, first applicable first: contractions, letters,
// digits, other marks, white space, which leaves its last character to what follows.
struct WordPattern {
  bool any_case = false;      // of contractions
  bool mark_before = false;   // letters take any one mark or blank in front; else a space
  int most_digits = 0;        // 0: as many as there are, with a space in front
  bool takes_breaks = false;  // marks and blanks take the line breaks behind them
};

// The pattern that a regular expression stands for; nullptr for any other expression. Those of
// GPT-2, of Llama 3 and of Qwen 2 are known: an expression is a program, and one of an untrusted
// file may take any time.
const WordPattern* word_pattern(std::string_view expression);

enum class SplitBehavior { kIsolated, kRemoved, kMergedWithPrevious, kMergedWithNext, kContiguous };

struct Splitter {
  enum class Kind { kPattern, kLiteral, kDigits, kPunctuation };
  Kind kind;
  WordPattern pattern;     // of kPattern, isolated
  std::u32string literal;  // of kLiteral, not empty
  SplitBehavior behavior = SplitBehavior::kIsolated;
  bool invert = false;  // what lies between matches counts as matched, and the matches do not
  // Of kLiteral: for each of its starts the longest other start that ends it too.
  std::vector<size_t> borders = {};
};

Splitter literal_splitter(std::u32string literal, SplitBehavior behavior);

using Piece = std::u32string_view;
using TakePiece = std::function<void(Piece)>;

// The pieces in order, none empty, after all splitters from `first` on.
void split_text(const std::vector<Splitter>& splitters, Piece text, const TakePiece& take,
                size_t first = 0);

// A word character of regular expressions, as far as the general category tells.
bool is_word_character(char32_t c);

}  // namespace spikeloom
