// BPE: reading tokenizer.json.

#include <algorithm>
#include <nlohmann/json.hpp>
#include <optional>

#include "core/error.hpp"
#include "core/io/hint.hpp"
#include "core/io/utf8.hpp"
#include "datasets/bpe.hpp"

namespace spikeloom {
namespace {

using nlohmann::json;
using Vocabulary = std::unordered_map<std::string, int32_t>;

constexpr int64_t kMaxVocabulary = int64_t{1} << 24;
constexpr size_t kMaxParts = 16;     // of a Sequence
constexpr size_t kMaxPattern = 256;  // characters; a search takes as many times the text

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

// The bytes a token's letters stand for; nothing where one of them is no letter.
std::optional<std::string> spelled_bytes(const std::string& token, const std::string& what) {
  static const auto letters = byte_of_letter();
  std::string bytes;
  for (const char32_t c : decode_utf8(token, what)) {
    const auto found = letters.find(c);
    if (found == letters.end()) return std::nullopt;
    bytes.push_back(static_cast<char>(found->second));
  }
  return bytes;
}

std::string type_of(const json& part) {
  return part.is_null() ? "" : part.at("type").get<std::string>();
}

// The parts of one that may be null or a Sequence, whose list is called `list`.
std::vector<json> parts_of(const json& root, const char* key, const char* list,
                           const std::string& what) {
  if (!root.contains(key) || root.at(key).is_null()) return {};
  std::vector<json> left{root.at(key)}, parts;
  while (!left.empty()) {
    const json part = left.back();
    left.pop_back();
    if (type_of(part) != "Sequence") {
      parts.push_back(part);
    } else {
      left.insert(left.end(), part.at(list).rbegin(), part.at(list).rend());
    }
    if (left.size() + parts.size() > kMaxParts)
      refuse(what, std::string(key) + " has more than 16 parts");
  }
  return parts;
}

// The text of a pattern {"String": "..."}.
std::string literal_of(const json& part, const std::string& what) {
  const json& pattern = part.at("pattern");
  if (!pattern.contains("String")) {
    refuse(what, type_of(part) + " with the regular expression " +
                     in_quotes(pattern.at("Regex").get<std::string>()) + " is not supported");
  }
  auto text = pattern.at("String").get<std::string>();
  if (text.empty() || text.size() > kMaxPattern)
    refuse(what, type_of(part) + " has a pattern that is empty or longer than 256 bytes");
  return text;
}

Normalizer read_normalizer(const json& part, const std::string& what) {
  using Kind = Normalizer::Kind;
  static const std::pair<const char*, Kind> kPlain[] = {
      {"NFC", Kind::kNfc},   {"NFD", Kind::kNfd},   {"Lowercase", Kind::kLowercase},
      {"NFKC", Kind::kNfkc}, {"NFKD", Kind::kNfkd}, {"StripAccents", Kind::kStripAccents}};
  const std::string type = type_of(part);
  for (const auto& [name, kind] : kPlain) {
    if (type == name) return {kind, "", ""};
  }
  if (type == "Prepend") return {Kind::kPrepend, "", part.at("prepend").get<std::string>()};
  if (type == "Strip") {
    return {Kind::kStrip, "", "", part.at("strip_left").get<bool>(),
            part.at("strip_right").get<bool>()};
  }
  if (type == "Replace")
    return {Kind::kReplace, literal_of(part, what), part.at("content").get<std::string>()};
  refuse(what, "the normalizer " + in_quotes(type) + " is not supported");
}

SplitBehavior behavior_of(const json& part, const char* otherwise) {
  static const std::pair<const char*, SplitBehavior> kNames[] = {
      {"Isolated", SplitBehavior::kIsolated},
      {"Removed", SplitBehavior::kRemoved},
      {"MergedWithPrevious", SplitBehavior::kMergedWithPrevious},
      {"MergedWithNext", SplitBehavior::kMergedWithNext},
      {"Contiguous", SplitBehavior::kContiguous}};
  const std::string wanted = part.value("behavior", otherwise);
  for (const auto& [name, behavior] : kNames) {
    if (wanted == name) return behavior;
  }
  throw json::other_error::create(501, "behavior", nullptr);
}

Splitter read_split(const json& part, const std::string& what) {
  Splitter splitter{Splitter::Kind::kPattern, {}, {}, behavior_of(part, "")};
  splitter.invert = part.value("invert", false);
  const json& pattern = part.at("pattern");
  if (!pattern.contains("Regex")) {
    const auto points = decode_utf8(literal_of(part, what), what);
    Splitter literal = literal_splitter({points.begin(), points.end()}, splitter.behavior);
    literal.invert = splitter.invert;
    return literal;
  }
  const WordPattern* known = word_pattern(pattern.at("Regex").get<std::string>());
  // Nothing lies between the words of these patterns.
  const bool keeps_words = splitter.behavior == SplitBehavior::kIsolated ||
                           (splitter.behavior == SplitBehavior::kRemoved && splitter.invert);
  if (known == nullptr || !keeps_words) {
    refuse(what, "the pre_tokenizer splits by " +
                     in_quotes(pattern.at("Regex").get<std::string>()) +
                     "; only the patterns of GPT-2, Llama 3 and Qwen 2, isolated, are supported");
  }
  splitter.pattern = *known;
  return splitter;
}

void read_byte_level(BpeTokenizer& bpe, const json& part) {
  bpe.byte_level = true;
  bpe.prefix_space = part.value("add_prefix_space", true);
  if (part.value("use_regex", true)) bpe.words.push_back({Splitter::Kind::kPattern, {}, {}});
}

void read_pre_tokenizers(BpeTokenizer& bpe, const json& root, const std::string& what) {
  for (const json& part : parts_of(root, "pre_tokenizer", "pretokenizers", what)) {
    const std::string type = type_of(part);
    if (bpe.byte_level) refuse(what, "the pre_tokenizer has parts behind ByteLevel");
    if (type == "ByteLevel") {
      read_byte_level(bpe, part);
    } else if (type == "Split") {
      bpe.splitters.push_back(read_split(part, what));
    } else if (type == "Digits") {
      const bool single = part.value("individual_digits", false);
      bpe.splitters.push_back({Splitter::Kind::kDigits,
                               {},
                               {},
                               single ? SplitBehavior::kIsolated : SplitBehavior::kContiguous});
    } else if (type == "Punctuation") {
      bpe.splitters.push_back(
          {Splitter::Kind::kPunctuation, {}, {}, behavior_of(part, "Isolated")});
    } else {
      refuse(what, "the pre_tokenizer " + in_quotes(type) + " is not supported");
    }
  }
}

// How tokens become text again.
struct Decoder {
  std::vector<std::pair<std::string, std::string>> replacements;
  bool bytes = false;  // <0x0A> is a byte
  size_t strip = 0;    // spaces at the start of the text
};

Decoder read_decoder(const json& root, bool byte_level, const std::string& what) {
  Decoder decoder;
  bool fused = false;
  const auto parts = parts_of(root, "decoder", "decoders", what);
  for (const json& part : parts) {
    const std::string type = type_of(part);
    const bool fits = byte_level ? type == "ByteLevel" && parts.size() == 1 : type != "ByteLevel";
    if (fits && byte_level) continue;
    if (fits && type == "Replace" && !fused && !decoder.bytes) {
      decoder.replacements.emplace_back(literal_of(part, what),
                                        part.at("content").get<std::string>());
    } else if (fits && type == "ByteFallback" && !fused) {
      decoder.bytes = true;
    } else if (fits && type == "Fuse") {
      fused = true;
    } else if (fits && type == "Strip" && fused && part.at("content") == " " &&
               part.at("stop") == 0 && part.at("start").is_number_unsigned()) {
      decoder.strip += std::min<size_t>(part.at("start").get<size_t>(), kMaxPattern);
    } else {
      refuse(what, "the decoder " + in_quotes(type) + " is not supported here");
    }
  }
  return decoder;
}

// The byte of "<0x0A>", -1 for other tokens.
int byte_named(const std::string& token) {
  if (token.size() != 6 || !token.starts_with("<0x") || token[5] != '>') return -1;
  int value = 0;
  for (const char c : {token[3], token[4]}) {
    const int digit = c >= '0' && c <= '9' ? c - '0' : c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
    if (digit < 0) return -1;
    value = 16 * value + digit;
  }
  return value;
}

// What a token stands for in a text.
std::string text_of(const std::string& token, bool byte_level, const Decoder& decoder,
                    const std::string& what) {
  if (byte_level) return spelled_bytes(token, what).value_or(token);
  std::string text = token;
  for (const auto& [from, to] : decoder.replacements) {
    auto next = replaced(text, from, to, most_after(token.size()));
    if (!next) refuse(what, "the decoder makes a token more than four times as long");
    text = std::move(*next);
  }
  const int byte = decoder.bytes ? byte_named(text) : -1;
  return byte < 0 ? text : std::string(1, static_cast<char>(byte));
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
void place(BpeTokenizer& bpe, int32_t id, std::string bytes, const std::string& what) {
  const auto at = static_cast<size_t>(id);
  if (bpe.pieces.size() <= at) {
    bpe.pieces.resize(at + 1);
    bpe.kinds.resize(at + 1, TokenKind::kNone);
  }
  if (bpe.kinds[at] != TokenKind::kNone)
    refuse(what, "id " + std::to_string(id) + " has two tokens");
  bpe.kinds[at] = TokenKind::kText;
  bpe.pieces[at] = std::move(bytes);
}

// What stands for a text before merges: single bytes or characters, whole pieces.
void place_symbol(BpeTokenizer& bpe, const std::string& token, int32_t id,
                  const std::string& what) {
  const auto points = decode_utf8(token, what);
  const int byte = byte_named(token);
  if (byte >= 0) bpe.fallback[static_cast<size_t>(byte)] = id;
  if (points.size() != 1) return;
  if (!bpe.byte_level) bpe.characters.emplace(points[0], id);
  const auto own = spelled_bytes(token, what);
  if (bpe.byte_level && own) bpe.bytes[static_cast<uint8_t>((*own)[0])] = id;
}

std::pair<std::string, std::string> pair_of(const json& merge, int32_t rank,
                                            const std::string& what) {
  if (merge.is_array() && merge.size() == 2 && merge[0].is_string() && merge[1].is_string())
    return {merge[0].get<std::string>(), merge[1].get<std::string>()};
  if (merge.is_string()) {
    const auto& text = merge.get_ref<const std::string&>();
    const size_t space = text.find(' ');
    if (space != std::string::npos) return {text.substr(0, space), text.substr(space + 1)};
  }
  refuse(what, "merge " + std::to_string(rank) + " is no pair");
}

void read_merges(BpeTokenizer& bpe, const json& merges, const Vocabulary& vocabulary,
                 const std::string& what) {
  int32_t rank = 0;
  for (const json& merge : merges) {
    const auto [left, right] = pair_of(merge, rank, what);
    const auto a = vocabulary.find(left), b = vocabulary.find(right),
               merged = vocabulary.find(left + right);
    if (a == vocabulary.end() || b == vocabulary.end() || merged == vocabulary.end()) {
      refuse(what, "merge " + std::to_string(rank) + " names tokens outside the vocabulary");
    }
    const uint64_t key = static_cast<uint64_t>(a->second) << 32 | static_cast<uint32_t>(b->second);
    bpe.merges.insert_or_assign(key, BpeTokenizer::Merge{rank++, merged->second});
  }
}

void read_added(BpeTokenizer& bpe, const json& added, const Vocabulary& vocabulary,
                const Decoder& decoder, const std::string& what) {
  std::vector<AddedToken> raw, normal;
  for (const json& token : added) {
    if (!token.is_object() || !token.contains("id") || !token.contains("content") ||
        !token.at("content").is_string() || token.at("content") == "") {
      refuse(what, "an added token has no id or content");
    }
    const auto text = token.at("content").get<std::string>();
    const int32_t id = id_in(token.at("id"), what);
    const bool is_normal = token.value("normalized", true);
    AddedToken found{is_normal ? normalized(bpe.normalizers, text, what) : text, id,
                     token.value("lstrip", false), token.value("rstrip", false),
                     token.value("single_word", false)};
    const auto known = vocabulary.find(text);
    if (known == vocabulary.end() || known->second != id)
      place(bpe, id, text_of(found.text, bpe.byte_level, decoder, what), what);
    if (token.value("special", false)) bpe.kinds[static_cast<size_t>(id)] = TokenKind::kSpecial;
    if (found.text.size() > kMaxAddedToken)
      refuse(what, "added token " + std::to_string(id) + " is longer than 256 bytes");
    if (!found.text.empty()) (is_normal ? normal : raw).push_back(std::move(found));
  }
  bpe.raw = AddedTokens(std::move(raw));
  bpe.normalized = AddedTokens(std::move(normal));
}

bool is_set(const json& model, const char* key) {
  const json none;
  const json& value = model.contains(key) ? model.at(key) : none;
  return !value.is_null() && value != "" && value != 0 && value != false;
}

void read_model(BpeTokenizer& bpe, const json& model, const Vocabulary& vocabulary,
                const std::string& what) {
  for (const char* key : {"dropout", "continuing_subword_prefix", "end_of_word_suffix"}) {
    if (is_set(model, key)) refuse(what, std::string("model.") + key + " is not supported");
  }
  bpe.fuse_unknown = model.value("fuse_unk", false);
  bpe.falls_back = model.value("byte_fallback", false);
  if (is_set(model, "unk_token")) {
    const auto found = vocabulary.find(model.at("unk_token").get<std::string>());
    if (found == vocabulary.end()) refuse(what, "model.unk_token is not in the vocabulary");
    bpe.unknown = found->second;
  }
  const bool all_bytes = std::count(bpe.bytes.begin(), bpe.bytes.end(), -1) == 0;
  if (bpe.falls_back && bpe.byte_level && !all_bytes)
    refuse(what, "model.byte_fallback behind ByteLevel, and bytes are missing");
  if (!model.value("ignore_merges", false)) return;
  for (const auto& [token, id] : vocabulary) {
    const auto piece = bpe.byte_level ? spelled_bytes(token, what) : token;
    if (piece) bpe.whole.emplace(*piece, id);
  }
}

BpeTokenizer read_checked(const json& root, const std::string& what) {
  const json& model = root.at("model");
  // Files of old give the type by what is there.
  if (model.contains("type") && model.at("type").get<std::string>() != "BPE")
    refuse(what, "the model " + in_quotes(model.at("type").get<std::string>()) + " is not BPE");
  if (!model.contains("vocab") || !model.at("vocab").is_object() || !model.contains("merges") ||
      !model.at("merges").is_array()) {
    refuse(what, "the model has no vocab or merges");
  }
  BpeTokenizer bpe;
  bpe.bytes.fill(-1);
  bpe.fallback.fill(-1);
  for (const json& part : parts_of(root, "normalizer", "normalizers", what))
    bpe.normalizers.push_back(read_normalizer(part, what));
  read_pre_tokenizers(bpe, root, what);
  const Decoder decoder = read_decoder(root, bpe.byte_level, what);
  bpe.decoded_strip = decoder.strip;
  const json none = json::array();
  const json& added = root.contains("added_tokens") ? root.at("added_tokens") : none;
  check_largest(model.at("vocab"), added, what);
  Vocabulary vocabulary;
  for (const auto& [token, value] : model.at("vocab").items()) {
    const int32_t id = id_in(value, what);
    vocabulary.emplace(token, id);
    place_symbol(bpe, token, id, what);
    place(bpe, id, text_of(token, bpe.byte_level, decoder, what), what);
  }
  read_merges(bpe, model.at("merges"), vocabulary, what);
  read_added(bpe, added, vocabulary, decoder, what);
  read_model(bpe, model, vocabulary, what);
  return bpe;
}

}  // namespace

BpeTokenizer read_bpe(const json& root, const std::string& what) {
  try {
    return read_checked(root, what);
  } catch (const json::exception&) {
    refuse(what, "a setting or token is missing or has the wrong type");
  }
}

}  // namespace spikeloom
