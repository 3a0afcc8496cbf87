#include "datasets/token_rows.hpp"

#include <algorithm>

#include "core/error.hpp"
#include "core/io/file.hpp"
#include "core/io/npy.hpp"
#include "core/io/utf8.hpp"
#include "datasets/pixels.hpp"

namespace spikeloom {
namespace {

// The first byte of the character behind `percent` of the text; of bytes, that byte itself.
size_t boundary(std::string_view text, size_t percent, bool raw) {
  size_t at = text.size() / 100 * percent + text.size() % 100 * percent / 100;
  while (!raw && at < text.size() && (text[at] & 0xC0) == 0x80) ++at;
  return at;
}

std::string_view part_of(std::string_view text, const std::string& split, bool raw) {
  if (split.empty()) return text;
  const size_t validation = boundary(text, 90, raw), test = boundary(text, 95, raw);
  if (split == kTextSplits[0]) return text.substr(0, validation);
  if (split == kTextSplits[1]) return text.substr(validation, test - validation);
  return text.substr(test);
}

}  // namespace

TokenRows text_rows(std::string_view bytes, const std::string& what, const Tokenizer& tokenizer,
                    const std::string& split) {
  const bool raw = std::holds_alternative<ByteTokenizer>(tokenizer);
  const std::string text = raw ? std::string(bytes) : text_to_utf8(bytes, what);
  const std::string_view part = part_of(text, split, raw);
  if (part.empty()) {
    throw Error(ErrorCode::kData,
                what + (split.empty() ? ": is empty" : ": has no " + split + " part"));
  }
  Encoded encoded = encode(tokenizer, part, what);
  if (encoded.ids.empty()) throw Error(ErrorCode::kData, what + ": the text has no tokens");
  TokenRows result;
  result.unknown = encoded.unknown;
  result.description = (split.empty() ? "text of " : split + " part of a text, ") +
                       std::to_string(part.size()) + " bytes as " +
                       std::to_string(encoded.ids.size()) + " tokens (" + describe(tokenizer) + ")";
  result.rows.push_back(std::move(encoded.ids));
  return result;
}

TokenRows load_text_rows(const std::filesystem::path& path, const Tokenizer& tokenizer,
                         const std::string& split) {
  const auto file = read_file(path);
  return text_rows({reinterpret_cast<const char*>(file.data()), file.size()}, path.string(),
                   tokenizer, split);
}

namespace {

// Entries [first, first + count) of the first axis: rows, or tokens of the only one.
struct Entries {
  int64_t first, count;
};

Entries entries_of(const Shape& shape, const WantedWindows& wanted) {
  const int64_t all = shape[0];
  if (shape.size() == 2) {
    const int64_t windows = wanted.in(shape[1]);
    const int64_t first = std::min(all, wanted.skip / windows), end = wanted.end();
    return {first, (end > all * windows ? all : (end + windows - 1) / windows) - first};
  }
  if (wanted.length == 0) return {0, all};
  const int64_t first = wanted.skip > all / wanted.length ? all : wanted.skip * wanted.length;
  const int64_t end = wanted.end() > all / wanted.length ? all : wanted.end() * wanted.length;
  // The token behind the last window is what that predicts.
  return {first, std::max<int64_t>(0, std::min(all, end + 1) - first)};
}

}  // namespace

TokenRows load_npy_rows(const std::filesystem::path& path, int64_t vocabulary,
                        const WantedWindows& wanted, const NpyMemory* memory) {
  const NpyFile file = open_npy(path, memory);
  const Shape& shape = file.shape();
  if (shape.empty() || shape.size() > 2 || element_count(shape) == 0) {
    throw Error(ErrorCode::kData,
                path.string() + ": expected tokens [B,T] or [T], found " + to_string(shape));
  }
  const Entries entries = entries_of(shape, wanted);
  TokenRows result;
  result.description = "tokens " + to_string(shape);
  result.cut = entries.count < shape[0];
  if (entries.count <= 0) return result;
  const bool one_row = shape.size() == 1;
  const int64_t row_length = one_row ? entries.count : shape[1];
  const int64_t before = one_row ? entries.first : entries.first * shape[1];
  result.first_window = one_row && wanted.length > 0 ? entries.first / wanted.length
                        : one_row                    ? 0
                                                     : entries.first * wanted.in(shape[1]);
  const auto ids = integers_of(file.part(entries.first, entries.count), path, "tokens");
  const auto length = static_cast<size_t>(row_length);
  for (size_t i = 0; i < ids.size(); ++i) {
    const int32_t token =
        checked_token(ids[i], vocabulary, static_cast<size_t>(before) + i, path.string());
    if (i % length == 0) result.rows.emplace_back();
    result.rows.back().push_back(token);
  }
  return result;
}

int32_t checked_token(int64_t id, int64_t vocabulary, size_t place, const std::string& what) {
  if (id < 0 || id >= vocabulary) {
    throw Error(ErrorCode::kData, what + ": token " + std::to_string(id) + " at place " +
                                      std::to_string(place) + " is not in the vocabulary of " +
                                      std::to_string(vocabulary));
  }
  return static_cast<int32_t>(id);
}

}  // namespace spikeloom
