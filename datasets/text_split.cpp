#include "datasets/text_split.hpp"

#include <utf8proc.h>

#include <algorithm>
#include <memory>

#include "core/error.hpp"
#include "datasets/utf8.hpp"

namespace spikeloom {
namespace {

enum class CharClass { kSpace, kLetter, kNumber, kOther };

utf8proc_category_t category_of(char32_t c) {
  return utf8proc_category(static_cast<utf8proc_int32_t>(c));
}

bool is_mark(utf8proc_category_t category) {
  return category >= UTF8PROC_CATEGORY_MN && category <= UTF8PROC_CATEGORY_ME;
}

bool is_number(utf8proc_category_t category) {
  return category >= UTF8PROC_CATEGORY_ND && category <= UTF8PROC_CATEGORY_NO;
}

bool is_punctuation(char32_t c) {
  if (c < 0x80)
    return (c > 0x20 && c < 0x30) || (c > 0x39 && c < 0x41) || (c > 0x5A && c < 0x61) ||
           (c > 0x7A && c < 0x7F);
  const auto category = category_of(c);
  return category >= UTF8PROC_CATEGORY_PC && category <= UTF8PROC_CATEGORY_PO;
}

CharClass class_of(char32_t c) {
  if (is_white_space(c)) return CharClass::kSpace;
  const auto category = category_of(c);
  if (category >= UTF8PROC_CATEGORY_LU && category <= UTF8PROC_CATEGORY_LO)
    return CharClass::kLetter;
  return is_number(category) ? CharClass::kNumber : CharClass::kOther;
}

std::string in_form(std::string_view text, int options) {
  utf8proc_uint8_t* result = nullptr;
  const auto size = utf8proc_map(reinterpret_cast<const utf8proc_uint8_t*>(text.data()),
                                 static_cast<utf8proc_ssize_t>(text.size()), &result,
                                 static_cast<utf8proc_option_t>(UTF8PROC_STABLE | options));
  const std::unique_ptr<utf8proc_uint8_t, decltype(&std::free)> owner(result, &std::free);
  if (size < 0) throw Error(ErrorCode::kData, std::string("text: ") + utf8proc_errmsg(size));
  return {reinterpret_cast<const char*>(result), static_cast<size_t>(size)};
}

std::string lower_case(std::string_view text) {
  std::string result;
  for (const char32_t c : decode_utf8(text, "text")) {
    if (c == 0x130) {  // the one letter whose small form is two characters
      result += "i\xCC\x87";
    } else {
      append_utf8(result,
                  static_cast<char32_t>(utf8proc_tolower(static_cast<utf8proc_int32_t>(c))));
    }
  }
  return result;
}

std::string without_marks(std::string_view text) {
  std::string result;
  for (const char32_t c : decode_utf8(text, "text")) {
    if (!is_mark(category_of(c))) append_utf8(result, c);
  }
  return result;
}

std::string stripped_ends(std::string_view text, bool left, bool right) {
  const auto points = decode_utf8(text, "text");
  auto first = points.begin(), last = points.end();
  while (left && first != last && is_white_space(*first)) ++first;
  while (right && first != last && is_white_space(*(last - 1))) --last;
  std::string result;
  for (; first != last; ++first) append_utf8(result, *first);
  return result;
}

void check_growth(size_t size, size_t before) {
  if (size > 4 * before + 64)
    throw Error(ErrorCode::kData, "the normalizer makes a text more than four times as long");
}

std::string replaced(std::string_view text, const std::string& from, const std::string& to,
                     size_t before) {
  std::string result;
  for (size_t at = 0;;) {
    const size_t found = text.find(from, at);
    result.append(text.substr(at, found - at));
    if (found == std::string_view::npos) return result;
    result.append(to);
    check_growth(result.size(), before);
    at = found + from.size();
  }
}

std::string apply(const Normalizer& n, std::string_view text, size_t before) {
  using Kind = Normalizer::Kind;
  switch (n.kind) {
    case Kind::kNfc: return in_form(text, UTF8PROC_COMPOSE);
    case Kind::kNfd: return in_form(text, UTF8PROC_DECOMPOSE);
    case Kind::kNfkc: return in_form(text, UTF8PROC_COMPOSE | UTF8PROC_COMPAT);
    case Kind::kNfkd: return in_form(text, UTF8PROC_DECOMPOSE | UTF8PROC_COMPAT);
    case Kind::kLowercase: return lower_case(text);
    case Kind::kStripAccents: return without_marks(text);
    case Kind::kPrepend: return text.empty() ? std::string() : n.to + std::string(text);
    case Kind::kReplace: return replaced(text, n.from, n.to, before);
    case Kind::kStrip: break;
  }
  return stripped_ends(text, n.left, n.right);
}

// Length of the contraction at the start of `text` ('s 't 're 've 'm 'll 'd), 0 without one.
size_t contraction(Piece text, bool any_case) {
  static const Piece kEndings[] = {U"s", U"t", U"re", U"ve", U"m", U"ll", U"d"};
  const auto same = [&](char32_t c, char32_t wanted) {
    if (any_case && c == U'\u017F') c = U's';  // the long s, whose capital is S
    if (any_case && c >= U'A' && c <= U'Z') c += U'a' - U'A';
    return c == wanted;
  };
  if (text[0] != U'\'') return 0;
  for (const Piece ending : kEndings) {
    const Piece found = text.substr(1, ending.size());
    if (std::equal(found.begin(), found.end(), ending.begin(), ending.end(), same))
      return 1 + ending.size();
  }
  return 0;
}

// Characters of one class at the start of `text`, at most `most`.
size_t run_of(CharClass kind, Piece text, size_t most = Piece::npos) {
  size_t end = 0;
  while (end < std::min(text.size(), most) && class_of(text[end]) == kind) ++end;
  return end;
}

bool is_break(char32_t c) {
  return c == U'\n' || c == U'\r';
}

size_t blank_length(Piece text, const WordPattern& pattern) {
  const size_t run = run_of(CharClass::kSpace, text);
  if (pattern.takes_breaks) {
    for (size_t end = run; end > 0; --end) {
      if (is_break(text[end - 1])) return end;
    }
  }
  return run == text.size() || run == 1 ? run : run - 1;
}

// Length of the word at the start of `text`, which is not empty.
size_t word_length(Piece text, const WordPattern& pattern) {
  if (const size_t length = contraction(text, pattern.any_case); length > 0) return length;
  const CharClass kind = class_of(text[0]);
  const CharClass next = text.size() > 1 ? class_of(text[1]) : CharClass::kSpace;
  const bool space = text[0] == U' ';
  if (kind == CharClass::kLetter) return run_of(kind, text);
  const bool leads = pattern.mark_before ? kind != CharClass::kNumber && !is_break(text[0]) : space;
  if (leads && next == CharClass::kLetter) return 1 + run_of(next, text.substr(1));
  if (kind == CharClass::kNumber)
    return run_of(
        kind, text,
        pattern.most_digits == 0 ? Piece::npos : static_cast<size_t>(pattern.most_digits));
  if (space && next == CharClass::kNumber && pattern.most_digits == 0)
    return 1 + run_of(next, text.substr(1));
  if (kind == CharClass::kOther || (space && next == CharClass::kOther)) {
    size_t end = space ? 1 : 0;
    end += run_of(CharClass::kOther, text.substr(end));
    while (pattern.takes_breaks && end < text.size() && is_break(text[end])) ++end;
    return end;
  }
  return blank_length(text, pattern);
}

// A stretch of the text, matched or between matches.
struct Stretch {
  size_t begin, end;
  bool matched;
};

bool matches(const Splitter& s, char32_t c) {
  return s.kind == Splitter::Kind::kDigits ? is_number(category_of(c)) : is_punctuation(c);
}

std::vector<Stretch> stretches_of(const Splitter& s, Piece text) {
  std::vector<Stretch> all;
  size_t done = 0;
  const auto match = [&](size_t begin, size_t end) {
    if (begin > done) all.push_back({done, begin, s.invert});
    all.push_back({begin, end, !s.invert});
    done = end;
  };
  if (s.kind == Splitter::Kind::kLiteral) {
    for (size_t at = text.find(s.literal); at != Piece::npos; at = text.find(s.literal, done))
      match(at, at + s.literal.size());
  } else {
    for (size_t at = 0; at < text.size(); ++at) {
      if (matches(s, text[at])) match(at, at + 1);
    }
  }
  if (done < text.size()) all.push_back({done, text.size(), s.invert});
  return all;
}

// Whether a stretch joins the one before it.
bool joins(SplitBehavior behavior, const Stretch& before, const Stretch& at) {
  switch (behavior) {
    case SplitBehavior::kMergedWithPrevious: return at.matched && !before.matched;
    case SplitBehavior::kMergedWithNext: return before.matched && !at.matched;
    case SplitBehavior::kContiguous: return at.matched == before.matched;
    default: return false;
  }
}

}  // namespace

std::string normalized(const std::vector<Normalizer>& normalizers, std::string_view text) {
  std::string result(text);
  for (const Normalizer& normalizer : normalizers) {
    result = apply(normalizer, result, text.size());
    check_growth(result.size(), text.size());
  }
  return result;
}

const WordPattern* word_pattern(std::string_view expression) {
  struct Known {
    std::string_view expression;
    WordPattern pattern;
  };
  static const Known kKnown[] = {
      {R"('s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+)",
       {false, false, 0, false}},
      {R"((?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}|)"
       R"( ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+)",
       {true, true, 3, true}},
      {R"((?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}|)"
       R"( ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+)",
       {true, true, 1, true}},
  };
  for (const Known& known : kKnown) {
    if (known.expression == expression) return &known.pattern;
  }
  return nullptr;
}

void split_text(const std::vector<Splitter>& splitters, Piece text, const TakePiece& take,
                size_t first) {
  if (text.empty()) return;
  if (first == splitters.size()) return take(text);
  const Splitter& s = splitters[first];
  const auto next = [&](size_t begin, size_t end) {
    split_text(splitters, text.substr(begin, end - begin), take, first + 1);
  };
  if (s.kind == Splitter::Kind::kPattern) {
    for (size_t at = 0; at < text.size();) {
      const size_t end = at + word_length(text.substr(at), s.pattern);
      next(at, end);
      at = end;
    }
    return;
  }
  const auto stretches = stretches_of(s, text);
  for (size_t i = 0; i < stretches.size();) {
    size_t last = i;
    while (last + 1 < stretches.size() && joins(s.behavior, stretches[last], stretches[last + 1])) {
      ++last;
    }
    const bool removed = s.behavior == SplitBehavior::kRemoved && stretches[i].matched;
    if (!removed) next(stretches[i].begin, stretches[last].end);
    i = last + 1;
  }
}

bool is_word_character(char32_t c) {
  const auto category = category_of(c);
  return (category >= UTF8PROC_CATEGORY_LU && category <= UTF8PROC_CATEGORY_NL) ||
         category == UTF8PROC_CATEGORY_PC || c == 0x200C || c == 0x200D ||
         (c >= 0x24B6 && c <= 0x24E9) || (c >= 0x1F130 && c <= 0x1F149) ||
         (c >= 0x1F150 && c <= 0x1F169) || (c >= 0x1F170 && c <= 0x1F189);
}

}  // namespace spikeloom
