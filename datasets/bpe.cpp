// Byte-level BPE: reading tokenizer.json, encoding.

#include "datasets/bpe.hpp"

#include <utf8proc.h>

#include <algorithm>
#include <memory>
#include <nlohmann/json.hpp>
#include <queue>
#include <set>

#include "core/error.hpp"
#include "datasets/utf8.hpp"

namespace spikeloom {
namespace {

using nlohmann::json;

constexpr int64_t kMaxVocabulary = int64_t{1} << 24;

[[noreturn]] void refuse(const std::string& what, const std::string& reason) {
  throw Error(ErrorCode::kData, what + ": " + reason);
}

// GPT-2's letters: printable bytes stand for themselves, the others take U+0100 and up in order.
bool is_printable_byte(unsigned byte) {
  return (byte >= 0x21 && byte <= 0x7E) || (byte >= 0xA1 && byte <= 0xAC) || byte >= 0xAE;
}

std::unordered_map<char32_t, uint8_t> byte_of_letter() {
  std::unordered_map<char32_t, uint8_t> result;
  char32_t next = 0x100;
  for (unsigned byte = 0; byte < 256; ++byte) {
    result[is_printable_byte(byte) ? byte : next++] = static_cast<uint8_t>(byte);
  }
  return result;
}

// The bytes a token's letters stand for; a token with any other character stands for itself.
std::string bytes_of(const std::string& token, const std::string& what) {
  static const auto letters = byte_of_letter();
  std::string bytes;
  for (const char32_t c : decode_utf8(token, what)) {
    const auto found = letters.find(c);
    if (found == letters.end()) return token;
    bytes.push_back(static_cast<char>(found->second));
  }
  return bytes;
}

bool is_null(const json& object, const char* key) {
  return !object.contains(key) || object.at(key).is_null() || object.at(key) == "";
}

bool is_type(const json& root, const char* key, const char* type) {
  return root.contains(key) && root.at(key).is_object() && root.at(key).value("type", "") == type;
}

void check_settings(const json& root, const std::string& what) {
  if (!is_type(root, "model", "BPE")) refuse(what, "the model is not BPE");
  if (!is_type(root, "normalizer", "NFC")) refuse(what, "the normalizer is not NFC");
  for (const char* part : {"pre_tokenizer", "decoder"}) {
    if (!is_type(root, part, "ByteLevel")) refuse(what, std::string(part) + " is not ByteLevel");
  }
  const json& split = root.at("pre_tokenizer");
  if (split.value("add_prefix_space", true) || !split.value("use_regex", true)) {
    refuse(what, "the pre_tokenizer adds a space or has no pattern");
  }
  const json& model = root.at("model");
  for (const char* key :
       {"dropout", "unk_token", "continuing_subword_prefix", "end_of_word_suffix"}) {
    if (!is_null(model, key)) refuse(what, std::string("model.") + key + " is not supported");
  }
  if (model.value("byte_fallback", false) || model.value("ignore_merges", false)) {
    refuse(what, "byte_fallback and ignore_merges are not supported");
  }
}

int32_t id_in(const json& value, const std::string& what) {
  if (!value.is_number_integer() || value < 0 || value >= kMaxVocabulary) {
    refuse(what, "an id is not in 0 to 2^24 - 1");
  }
  return value.get<int32_t>();
}

// Memory follows the tokens, not the largest id among them.
void check_largest(const json& vocabulary, const json& added, const std::string& what) {
  const auto bound = static_cast<int64_t>(2 * (vocabulary.size() + added.size()) + 1024);
  const auto check = [&](const json& id) {
    if (id_in(id, what) >= bound) {
      refuse(what, "id " + id.dump() + " is far above the number of tokens");
    }
  };
  for (const json& id : vocabulary) check(id);
  for (const json& token : added) check(token.at("id"));
}

// Gives `id` its bytes. The vocabulary may have holes, but no id two tokens.
void place(BpeTokenizer& bpe, std::set<int32_t>& taken, int32_t id, std::string bytes,
           const std::string& what) {
  if (!taken.insert(id).second) refuse(what, "id " + std::to_string(id) + " has two tokens");
  if (bpe.pieces.size() <= static_cast<size_t>(id)) bpe.pieces.resize(static_cast<size_t>(id) + 1);
  bpe.pieces[static_cast<size_t>(id)] = std::move(bytes);
}

void read_merges(BpeTokenizer& bpe, const json& merges,
                 const std::unordered_map<std::string, int32_t>& vocabulary,
                 const std::string& what) {
  int32_t rank = 0;
  for (const json& merge : merges) {
    std::string left, right;
    if (merge.is_array() && merge.size() == 2 && merge[0].is_string() && merge[1].is_string()) {
      left = merge[0].get<std::string>();
      right = merge[1].get<std::string>();
    } else if (merge.is_string()) {
      const auto& text = merge.get_ref<const std::string&>();
      const size_t space = text.find(' ');
      if (space == std::string::npos) refuse(what, "merge " + std::to_string(rank) + " is no pair");
      left = text.substr(0, space);
      right = text.substr(space + 1);
    } else {
      refuse(what, "merge " + std::to_string(rank) + " is no pair");
    }
    const auto a = vocabulary.find(left), b = vocabulary.find(right),
               merged = vocabulary.find(left + right);
    if (a == vocabulary.end() || b == vocabulary.end() || merged == vocabulary.end()) {
      refuse(what, "merge " + std::to_string(rank) + " names tokens outside the vocabulary");
    }
    const uint64_t key = static_cast<uint64_t>(a->second) << 32 | static_cast<uint32_t>(b->second);
    bpe.merges.try_emplace(key, BpeTokenizer::Merge{rank++, merged->second});
  }
}

void read_added(BpeTokenizer& bpe, const json& added, std::set<int32_t>& taken,
                const std::unordered_map<std::string, int32_t>& vocabulary,
                const std::string& what) {
  for (const json& token : added) {
    if (!token.is_object() || !token.contains("id") || !token.contains("content") ||
        !token.at("content").is_string() || token.at("content") == "") {
      refuse(what, "an added token has no id or content");
    }
    for (const char* key : {"lstrip", "rstrip", "single_word"}) {
      if (token.value(key, false)) refuse(what, std::string("added token with ") + key);
    }
    const auto text = token.at("content").get<std::string>();
    const int32_t id = id_in(token.at("id"), what);
    const auto known = vocabulary.find(text);
    if (known == vocabulary.end() || known->second != id) {
      place(bpe, taken, id, bytes_of(text, what), what);
    }
    (token.value("normalized", true) ? bpe.normalized : bpe.raw).push_back({text, id});
  }
  for (auto* list : {&bpe.raw, &bpe.normalized}) {  // longest first: the first match is the longest
    std::stable_sort(list->begin(), list->end(),
                     [](const auto& a, const auto& b) { return a.text.size() > b.text.size(); });
  }
}

// One pre-token: starts of pieces linked to their neighbours, pairs waiting by rank and place.
class Word {
 public:
  Word(const BpeTokenizer& bpe, std::string_view bytes) : bpe_(bpe) {
    for (const char c : bytes) {
      const int32_t id = bpe.bytes[static_cast<uint8_t>(c)];
      if (id >= 0) nodes_.push_back({id, 0, 0});
    }
    const auto count = static_cast<int32_t>(nodes_.size());
    for (int32_t i = 0; i < count; ++i) {
      nodes_[static_cast<size_t>(i)].before = i - 1;
      nodes_[static_cast<size_t>(i)].after = i + 1 < count ? i + 1 : -1;
    }
    for (int32_t i = 0; i + 1 < count; ++i) offer(i);
  }

  void merge_into(std::vector<int32_t>& ids) {
    while (!waiting_.empty()) {
      const Pair pair = waiting_.top();
      waiting_.pop();
      apply(pair);
    }
    for (const Piece& piece : nodes_) {
      if (piece.id >= 0) ids.push_back(piece.id);
    }
  }

 private:
  struct Piece {
    int32_t id, before, after;  // id -1: swallowed by its left neighbour
  };
  struct Pair {
    int32_t rank, left, left_id, right_id, merged;
    bool operator>(const Pair& other) const {
      return rank != other.rank ? rank > other.rank : left > other.left;
    }
  };

  Piece& piece(int32_t i) { return nodes_[static_cast<size_t>(i)]; }

  void offer(int32_t left) {
    const int32_t right = left < 0 ? -1 : piece(left).after;
    if (right < 0) return;
    const int32_t a = piece(left).id, b = piece(right).id;
    const auto found = bpe_.merges.find(static_cast<uint64_t>(a) << 32 | static_cast<uint32_t>(b));
    if (found == bpe_.merges.end()) return;
    waiting_.push({found->second.rank, left, a, b, found->second.id});
  }

  void apply(const Pair& pair) {
    Piece& left = piece(pair.left);
    if (left.id != pair.left_id || left.after < 0) return;  // one of them has changed since
    Piece& right = piece(left.after);
    if (right.id != pair.right_id) return;
    left.id = pair.merged;
    right.id = -1;
    left.after = right.after;
    if (left.after >= 0) piece(left.after).before = pair.left;
    offer(left.before);
    offer(pair.left);
  }

  const BpeTokenizer& bpe_;
  std::vector<Piece> nodes_;
  std::priority_queue<Pair, std::vector<Pair>, std::greater<Pair>> waiting_;
};

enum class CharClass { kSpace, kLetter, kNumber, kOther };

CharClass class_of(char32_t c) {
  if (is_white_space(c)) return CharClass::kSpace;
  switch (utf8proc_category(static_cast<utf8proc_int32_t>(c))) {
    case UTF8PROC_CATEGORY_LU:
    case UTF8PROC_CATEGORY_LL:
    case UTF8PROC_CATEGORY_LT:
    case UTF8PROC_CATEGORY_LM:
    case UTF8PROC_CATEGORY_LO: return CharClass::kLetter;
    case UTF8PROC_CATEGORY_ND:
    case UTF8PROC_CATEGORY_NL:
    case UTF8PROC_CATEGORY_NO: return CharClass::kNumber;
    default: return CharClass::kOther;
  }
}

// Length of the contraction at `at` ('s 't 're 've 'm 'll 'd), 0 without one.
size_t contraction(const std::vector<char32_t>& text, size_t at) {
  static const std::u32string_view kEndings[] = {U"s", U"t", U"re", U"ve", U"m", U"ll", U"d"};
  if (text[at] != U'\'') return 0;
  for (const std::u32string_view ending : kEndings) {
    if (text.size() - at > ending.size() &&
        std::equal(ending.begin(), ending.end(), text.begin() + static_cast<int64_t>(at) + 1)) {
      return 1 + ending.size();
    }
  }
  return 0;
}

// End of the pre-token that starts at `at`: GPT-2's pattern, first applicable rule.
size_t pretoken_end(const std::vector<char32_t>& text, size_t at) {
  if (const size_t length = contraction(text, at); length > 0) return at + length;
  const auto run_end = [&](size_t from) {
    const CharClass kind = class_of(text[from]);
    size_t end = from + 1;
    while (end < text.size() && class_of(text[end]) == kind) ++end;
    return end;
  };
  if (class_of(text[at]) != CharClass::kSpace) return run_end(at);
  if (text[at] == U' ' && at + 1 < text.size() && class_of(text[at + 1]) != CharClass::kSpace) {
    return run_end(at + 1);
  }
  const size_t end = run_end(at);  // white space keeps its last character for what follows
  return end == text.size() || end == at + 1 ? end : end - 1;
}

void encode_plain(const BpeTokenizer& bpe, std::string_view text, std::vector<int32_t>& ids) {
  const std::vector<char32_t> points = decode_utf8(text, "text");
  std::string bytes;
  for (size_t at = 0; at < points.size();) {
    const size_t end = pretoken_end(points, at);
    bytes.clear();
    for (; at < end; ++at) append_utf8(bytes, points[at]);
    Word(bpe, bytes).merge_into(ids);
  }
}

// Splits at added tokens, leftmost then longest; `plain` gets what lies between.
template <typename F>
void split(std::string_view text, const std::vector<BpeTokenizer::Added>& added,
           std::vector<int32_t>& ids, F plain) {
  size_t start = 0;
  for (size_t at = 0; at < text.size();) {
    const auto found = std::find_if(added.begin(), added.end(), [&](const auto& token) {
      return text.substr(at, token.text.size()) == token.text;
    });
    if (found == added.end()) {
      ++at;
      continue;
    }
    if (at > start) plain(text.substr(start, at - start));
    ids.push_back(found->id);
    start = at += found->text.size();
  }
  if (start < text.size()) plain(text.substr(start));
}

std::string to_nfc(std::string_view text) {
  utf8proc_uint8_t* result = nullptr;
  const auto size =
      utf8proc_map(reinterpret_cast<const utf8proc_uint8_t*>(text.data()),
                   static_cast<utf8proc_ssize_t>(text.size()), &result,
                   static_cast<utf8proc_option_t>(UTF8PROC_STABLE | UTF8PROC_COMPOSE));
  const std::unique_ptr<utf8proc_uint8_t, decltype(&std::free)> owner(result, &std::free);
  if (size < 0) throw Error(ErrorCode::kData, std::string("text: ") + utf8proc_errmsg(size));
  return {reinterpret_cast<const char*>(result), static_cast<size_t>(size)};
}

}  // namespace

namespace {

BpeTokenizer read_checked(const json& root, const std::string& what) {
  check_settings(root, what);
  const json& model = root.at("model");
  if (!model.contains("vocab") || !model.at("vocab").is_object() || !model.contains("merges") ||
      !model.at("merges").is_array()) {
    refuse(what, "the model has no vocab or merges");
  }
  BpeTokenizer bpe;
  bpe.bytes.fill(-1);
  std::set<int32_t> taken;
  std::unordered_map<std::string, int32_t> vocabulary;
  const json none = json::array();
  const json& added = root.contains("added_tokens") ? root.at("added_tokens") : none;
  check_largest(model.at("vocab"), added, what);
  for (const auto& [token, value] : model.at("vocab").items()) {
    const int32_t id = id_in(value, what);
    vocabulary.emplace(token, id);
    std::string bytes = bytes_of(token, what);
    const bool is_byte = bytes.size() == 1;
    if (is_byte) bpe.bytes[static_cast<uint8_t>(bytes[0])] = id;
    place(bpe, taken, id, std::move(bytes), what);
  }
  read_merges(bpe, model.at("merges"), vocabulary, what);
  read_added(bpe, added, taken, vocabulary, what);
  return bpe;
}

}  // namespace

BpeTokenizer read_bpe(const json& root, const std::string& what) {
  try {
    return read_checked(root, what);
  } catch (const json::exception&) {
    refuse(what, "a setting or token has the wrong type");
  }
}

std::vector<int32_t> encode_bpe(const BpeTokenizer& bpe, std::string_view text,
                                const std::string& what) {
  decode_utf8(text, what);  // refuses what is no text
  std::vector<int32_t> ids;
  split(text, bpe.raw, ids, [&](std::string_view part) {
    split(to_nfc(part), bpe.normalized, ids,
          [&](std::string_view plain) { encode_plain(bpe, plain, ids); });
  });
  return ids;
}

}  // namespace spikeloom
