#include "datasets/tokenizer.hpp"

#include <algorithm>
#include <nlohmann/json.hpp>

#include "core/error.hpp"
#include "core/io/file.hpp"
#include "core/io/json.hpp"
#include "core/io/utf8.hpp"
#include "datasets/bpe.hpp"

namespace spikeloom {
namespace {

using nlohmann::json;

constexpr int64_t kMaxTokenizerBytes = 64 << 20;
// A token may stand for a megabyte; texts of many tokens are longer than this, and their tokens
// short.
constexpr size_t kMaxDecodedBytes = 64 << 20, kMaxMeanPiece = 32;

template <typename... F>
struct Cases : F... {
  using F::operator()...;
};
template <typename... F>
Cases(F...) -> Cases<F...>;

CharTokenizer read_characters(const json& root, const std::string& what) {
  CharTokenizer result;
  for (size_t id = 0; id < root.size(); ++id) {
    const std::string key = std::to_string(id);
    if (!root.contains(key) || !root.at(key).is_string()) {
      throw Error(ErrorCode::kData, what + ": no character for id " + key);
    }
    const auto symbol = decode_utf8(root.at(key).get_ref<const std::string&>(), what);
    if (symbol.size() != 1)
      throw Error(ErrorCode::kData, what + ": id " + key + " is no character");
    result.symbols.push_back(symbol[0]);
    if (!result.ids.emplace(symbol[0], static_cast<int32_t>(id)).second) {
      throw Error(ErrorCode::kData, what + ": the character of id " + key + " occurs twice");
    }
  }
  if (result.symbols.empty()) throw Error(ErrorCode::kData, what + ": an empty vocabulary");
  if (const auto space = result.ids.find(U' '); space != result.ids.end()) {
    result.unknown = space->second;
  }
  return result;
}

Encoded encode_characters(const CharTokenizer& tokenizer, std::string_view text,
                          const std::string& what) {
  Encoded result;
  for (const char32_t c : decode_utf8(text, what)) {
    const auto found = tokenizer.ids.find(c);
    if (found != tokenizer.ids.end()) {
      result.ids.push_back(found->second);
      continue;
    }
    if (tokenizer.unknown < 0) {
      throw Error(ErrorCode::kData, what + ": " + name_of_character(c) +
                                        " is not in the vocabulary, which has no "
                                        "space to stand for it");
    }
    result.ids.push_back(tokenizer.unknown);
    if (result.unknown++ == 0) result.first_unknown = name_of_character(c);
  }
  return result;
}

// str.strip() of Python: Unicode's white space and the four separators U+001C to U+001F.
std::string_view stripped(std::string_view text) {
  const auto points = decode_utf8(text, "prompt");
  const auto blank = [](char32_t c) { return is_white_space(c) || (c >= 0x1C && c <= 0x1F); };
  const auto bytes = [](char32_t c) {
    return c < 0x80 ? 1u : c < 0x800 ? 2u : c < 0x10000 ? 3u : 4u;
  };
  size_t first = 0, last = points.size(), skip = 0, drop = 0;
  while (first < last && blank(points[first])) skip += bytes(points[first++]);
  while (last > first && blank(points[last - 1])) drop += bytes(points[--last]);
  return text.substr(skip, text.size() - skip - drop);
}

}  // namespace

Tokenizer parse_tokenizer(std::string_view bytes, const std::string& what) {
  const json root = parse_json(text_to_utf8(bytes, what), what);
  if (!root.is_object()) throw Error(ErrorCode::kData, what + ": no vocabulary and no tokenizer");
  if (root.contains("model")) return read_bpe(root, what);
  return read_characters(root, what);
}

Tokenizer load_tokenizer(const std::filesystem::path& path) {
  const auto bytes = read_file(path, kMaxTokenizerBytes);
  return parse_tokenizer({reinterpret_cast<const char*>(bytes.data()), bytes.size()},
                         path.string());
}

int64_t vocabulary_of(const Tokenizer& tokenizer) {
  return std::visit(Cases{
                        [](const CharTokenizer& t) { return t.symbols.size(); },
                        [](const BpeTokenizer& t) { return t.pieces.size(); },
                        [](const ByteTokenizer&) { return size_t{256}; },
                    },
                    tokenizer);
}

bool is_text_token(const Tokenizer& tokenizer, int32_t id) {
  if (id < 0 || id >= vocabulary_of(tokenizer)) return false;
  const auto* bpe = std::get_if<BpeTokenizer>(&tokenizer);
  return bpe == nullptr || bpe->kinds[static_cast<size_t>(id)] == TokenKind::kText;
}

bool spells_unknown(const Tokenizer& tokenizer) {
  const auto* bpe = std::get_if<BpeTokenizer>(&tokenizer);
  return bpe != nullptr && bpe->unknown >= 0;
}

Encoded encode_exactly(const Tokenizer& tokenizer, std::string_view text, const std::string& what) {
  Encoded encoded = encode(tokenizer, text, what);
  if (encoded.unknown == 0 || spells_unknown(tokenizer)) return encoded;
  const bool several = encoded.unknown > 1;
  throw Error(ErrorCode::kData,
              what + ": " + encoded.first_unknown +
                  (several ? " and " + std::to_string(encoded.unknown - 1) + " more are"
                           : std::string(" is")) +
                  " not in the vocabulary");
}

std::string describe(const Tokenizer& tokenizer) {
  return std::visit(Cases{
                        [](const CharTokenizer&) -> std::string { return "characters"; },
                        [](const BpeTokenizer& t) -> std::string {
                          return t.byte_level ? "byte-level BPE" : "BPE of characters";
                        },
                        [](const ByteTokenizer&) -> std::string { return "bytes"; },
                    },
                    tokenizer);
}

Encoded encode(const Tokenizer& tokenizer, std::string_view text, const std::string& what) {
  return std::visit(Cases{
                        [&](const CharTokenizer& t) { return encode_characters(t, text, what); },
                        [&](const BpeTokenizer& t) { return encode_bpe(t, text, what); },
                        [&](const ByteTokenizer&) {
                          Encoded result;
                          for (const char c : text) {
                            result.ids.push_back(static_cast<uint8_t>(c));
                          }
                          return result;
                        },
                    },
                    tokenizer);
}

std::string decode(const Tokenizer& tokenizer, const std::vector<int32_t>& ids, bool from_start) {
  const int64_t size = vocabulary_of(tokenizer);
  const size_t most = kMaxDecodedBytes + kMaxMeanPiece * ids.size();
  std::string bytes;
  for (const int32_t id : ids) {
    if (bytes.size() > most)
      throw Error(ErrorCode::kCapacity, "the tokens spell a text of more than 64 MiB");
    if (id < 0 || id >= size) {
      throw Error(ErrorCode::kData, "token " + std::to_string(id) +
                                        " is not in the vocabulary of " + std::to_string(size));
    }
    const auto at = static_cast<size_t>(id);
    std::visit(Cases{
                   [&](const CharTokenizer& t) { append_utf8(bytes, t.symbols[at]); },
                   [&](const BpeTokenizer& t) { bytes += t.pieces[at]; },
                   [&](const ByteTokenizer&) { bytes.push_back(static_cast<char>(id)); },
               },
               tokenizer);
  }
  const auto* bpe = std::get_if<BpeTokenizer>(&tokenizer);
  if (bpe != nullptr && from_start)
    bytes.erase(0, std::min(bpe->decoded_strip, bytes.find_first_not_of(' ')));
  return bytes;
}

std::string refine_prompt(std::string_view prompt) {
  std::string result;
  std::string_view left = stripped(prompt);
  while (!left.empty()) {
    const size_t end = std::min(left.find('\n'), left.size());
    const std::string_view line = stripped(left.substr(0, end));
    if (!line.empty()) result.append("\n").append(line);
    left.remove_prefix(std::min(end + 1, left.size()));
  }
  return result.empty() ? "\n" : result;
}

}  // namespace spikeloom
