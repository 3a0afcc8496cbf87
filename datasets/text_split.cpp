#include "datasets/text_split.hpp"

#include <utf8proc.h>

#include <algorithm>
#include <optional>

#include "core/error.hpp"
#include "core/io/utf8.hpp"

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

// Characters taken apart; marks are left in the order of the text.
std::vector<utf8proc_int32_t> decomposed(std::string_view text, utf8proc_option_t options) {
  constexpr utf8proc_ssize_t kMost = 32;  // U+FDFA has 18
  std::vector<utf8proc_int32_t> points;
  int boundary = UTF8PROC_BOUNDCLASS_START;
  for (const char32_t c : decode_utf8(text, "text")) {
    utf8proc_int32_t parts[kMost];
    const auto count =
        utf8proc_decompose_char(static_cast<utf8proc_int32_t>(c), parts, kMost, options, &boundary);
    if (count < 0 || count > kMost) throw Error(ErrorCode::kInternal, "a character of many parts");
    points.insert(points.end(), parts, parts + count);
  }
  return points;
}

// Canonical order. utf8proc_map exchanges neighbours instead, which is quadratic in a run of marks.
void order_marks(std::vector<utf8proc_int32_t>& points) {
  const auto rank = [](utf8proc_int32_t c) { return utf8proc_get_property(c)->combining_class; };
  const auto less = [&](utf8proc_int32_t a, utf8proc_int32_t b) { return rank(a) < rank(b); };
  const auto is_marked = [&](utf8proc_int32_t c) { return rank(c) != 0; };
  for (auto first = points.begin(); first != points.end();) {
    first = std::find_if(first, points.end(), is_marked);
    const auto last = std::find_if_not(first, points.end(), is_marked);
    std::stable_sort(first, last, less);
    first = last;
  }
}

std::string in_form(std::string_view text, int form) {
  const auto options = static_cast<utf8proc_option_t>(UTF8PROC_STABLE | form);
  auto points = decomposed(text, options);
  order_marks(points);
  const auto count = utf8proc_normalize_utf32(
      points.data(), static_cast<utf8proc_ssize_t>(points.size()), options);
  if (count < 0) throw Error(ErrorCode::kInternal, utf8proc_errmsg(count));
  points.resize(static_cast<size_t>(count));
  std::string result;
  for (const utf8proc_int32_t c : points) append_utf8(result, static_cast<char32_t>(c));
  return result;
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

// Nothing where the text grows beyond `most` bytes.
std::optional<std::string> apply(const Normalizer& n, std::string_view text, size_t most) {
  using Kind = Normalizer::Kind;
  switch (n.kind) {
    case Kind::kNfc: return in_form(text, UTF8PROC_COMPOSE);
    case Kind::kNfd: return in_form(text, UTF8PROC_DECOMPOSE);
    case Kind::kNfkc: return in_form(text, UTF8PROC_COMPOSE | UTF8PROC_COMPAT);
    case Kind::kNfkd: return in_form(text, UTF8PROC_DECOMPOSE | UTF8PROC_COMPAT);
    case Kind::kLowercase: return lower_case(text);
    case Kind::kStripAccents: return without_marks(text);
    case Kind::kPrepend: return text.empty() ? std::string() : n.to + std::string(text);
    case Kind::kReplace: return replaced(text, n.from, n.to, most);
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

// Calls `take` for the stretches in order.
template <typename Take>
void for_each_stretch(const Splitter& s, Piece text, const Take& take) {
  size_t done = 0;
  const auto match = [&](size_t begin, size_t end) {
    if (begin > done) take(Stretch{done, begin, s.invert});
    take(Stretch{begin, end, !s.invert});
    done = end;
  };
  const bool literal = s.kind == Splitter::Kind::kLiteral;
  size_t held = 0;  // characters of the literal that end here
  for (size_t at = 0; at < text.size(); ++at) {
    if (!literal) {
      if (matches(s, text[at])) match(at, at + 1);
      continue;
    }
    while (held > 0 && text[at] != s.literal[held]) held = s.borders[held - 1];
    if (text[at] == s.literal[held]) ++held;
    if (held < s.literal.size()) continue;
    match(at + 1 - held, at + 1);
    held = 0;
  }
  if (done < text.size()) take(Stretch{done, text.size(), s.invert});
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

size_t most_after(size_t bytes) {
  return 4 * bytes + 64;
}

std::optional<std::string> replaced(std::string_view text, const std::string& from,
                                    const std::string& to, size_t most) {
  std::string result;
  for (size_t at = 0;;) {
    const size_t found = text.find(from, at);
    result.append(text.substr(at, found - at));
    if (result.size() > most) return std::nullopt;
    if (found == std::string_view::npos) return result;
    result.append(to);
    at = found + from.size();
  }
}

std::string normalized(const std::vector<Normalizer>& normalizers, std::string_view text,
                       const std::string& what) {
  const size_t most = most_after(text.size());
  std::string result(text);
  for (const Normalizer& normalizer : normalizers) {
    auto next = apply(normalizer, result, most);
    if (!next || next->size() > most) {
      throw Error(ErrorCode::kData,
                  what + ": the normalizer makes a text more than four times as long");
    }
    result = std::move(*next);
  }
  return result;
}

Splitter literal_splitter(std::u32string literal, SplitBehavior behavior) {
  Splitter s{Splitter::Kind::kLiteral, {}, std::move(literal), behavior};
  s.borders.resize(s.literal.size());
  for (size_t i = 1, held = 0; i < s.literal.size(); ++i) {
    while (held > 0 && s.literal[i] != s.literal[held]) held = s.borders[held - 1];
    if (s.literal[i] == s.literal[held]) ++held;
    s.borders[i] = held;
  }
  return s;
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
  std::optional<Stretch> open;  // joined so far; `matched` is that of its last one
  size_t begin = 0;
  const auto close = [&] {
    const bool removed = s.behavior == SplitBehavior::kRemoved && open->matched;
    if (!removed) next(begin, open->end);
  };
  for_each_stretch(s, text, [&](const Stretch& stretch) {
    const bool joined = open && joins(s.behavior, *open, stretch);
    if (open && !joined) close();
    if (!joined) begin = stretch.begin;
    open = stretch;
  });
  if (open) close();
}

bool is_word_character(char32_t c) {
  const auto category = category_of(c);
  return (category >= UTF8PROC_CATEGORY_LU && category <= UTF8PROC_CATEGORY_NL) ||
         category == UTF8PROC_CATEGORY_PC || c == 0x200C || c == 0x200D ||
         (c >= 0x24B6 && c <= 0x24E9) || (c >= 0x1F130 && c <= 0x1F149) ||
         (c >= 0x1F150 && c <= 0x1F169) || (c >= 0x1F170 && c <= 0x1F189);
}

}  // namespace spikeloom
