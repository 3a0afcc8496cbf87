#include "datasets/token_text.hpp"

#include <algorithm>
#include <charconv>

#include "core/error.hpp"
#include "core/io/hint.hpp"
#include "core/io/npy.hpp"
#include "core/io/utf8.hpp"
#include "datasets/pixels.hpp"
#include "datasets/token_rows.hpp"

namespace spikeloom {
namespace {

// The hexadecimal digits at the start of `text`, at most `most`.
std::string_view digits_of(std::string_view text, size_t most) {
  const size_t end = std::min(text.find_first_not_of("0123456789abcdefABCDEF"), text.size());
  return text.substr(0, std::min(end, most));
}

uint32_t hexadecimal(std::string_view digits) {
  uint32_t value = 0;
  std::from_chars(digits.data(), digits.data() + digits.size(), value, 16);
  return value;
}

// What the escape at the start of `text` (behind the backslash) stands for, and its length; 0 for
// none.
size_t escape(std::string_view text, std::string& to) {
  static constexpr std::pair<char, char> kLetters[] = {
      {'n', '\n'}, {'t', '\t'}, {'r', '\r'}, {'\\', '\\'}};
  if (text.empty()) return 0;
  for (const auto& [letter, value] : kLetters) {
    if (text[0] != letter) continue;
    to.push_back(value);
    return 1;
  }
  const bool braces = text.starts_with("u{");
  const size_t skip = braces ? 2 : 1, wanted = text[0] == 'x' ? 2 : 4;
  if (text[0] != 'x' && text[0] != 'u') return 0;
  const std::string_view digits = digits_of(text.substr(skip), braces ? 6 : wanted);
  const size_t end = skip + digits.size();
  if (braces ? digits.empty() || !text.substr(end).starts_with('}') : digits.size() != wanted)
    return 0;
  const uint32_t value = hexadecimal(digits);
  if (text[0] == 'x') {
    to.push_back(static_cast<char>(value));
    return end;
  }
  if (value > 0x10FFFF || (value >= 0xD800 && value < 0xE000)) return 0;
  append_utf8(to, value);
  return end + (braces ? 1 : 0);
}

std::vector<int64_t> ids_of_npy(std::string_view bytes, const std::string& what) {
  const Tensor tensor = parse_npy(std::as_bytes(std::span(bytes)), what);
  const Shape& shape = tensor.shape();
  const bool row = shape.size() == 1 || (shape.size() == 2 && shape[0] == 1);
  if (!row || tensor.size() == 0)
    throw Error(ErrorCode::kData, what + ": expected tokens [T], found " + to_string(shape));
  return integers_of(tensor, what, "tokens");
}

std::vector<int64_t> ids_of_text(std::string_view text, const std::string& what) {
  std::vector<int64_t> ids;
  for (size_t at = 0;;) {
    at = std::min(text.find_first_not_of(" \t\r\n,", at), text.size());
    if (at == text.size()) return ids;
    int64_t id = 0;
    const char* first = text.data() + at;
    const auto [end, fault] = std::from_chars(first, text.data() + text.size(), id);
    const auto next = static_cast<size_t>(end - text.data());
    if (fault != std::errc() ||
        (next < text.size() &&
         std::string_view(" \t\r\n,").find(text[next]) == std::string_view::npos)) {
      throw Error(ErrorCode::kData, what + ": neither a .npy array nor token ids: " +
                                        in_quotes(std::string(text.substr(at, 20))));
    }
    ids.push_back(id);
    at = next;
  }
}

}  // namespace

std::string unescaped(const std::string& text, const char* what) {
  std::string result;
  for (size_t at = 0; at < text.size();) {
    if (text[at] != '\\') {
      result.push_back(text[at++]);
      continue;
    }
    const size_t length = escape(std::string_view(text).substr(at + 1), result);
    if (length == 0) {
      throw Error(ErrorCode::kUsage, std::string(what) + ": " + in_quotes(text.substr(at, 8)) +
                                         " is no escape; a backslash is \\\\");
    }
    at += 1 + length;
  }
  return result;
}

std::vector<int32_t> token_ids_of(std::string_view bytes, int64_t vocabulary,
                                  const std::string& what) {
  const bool npy = bytes.starts_with("\x93NUMPY");
  const auto found = npy ? ids_of_npy(bytes, what) : ids_of_text(bytes, what);
  if (found.empty()) throw Error(ErrorCode::kData, what + ": no token ids");
  std::vector<int32_t> ids;
  for (size_t i = 0; i < found.size(); ++i)
    ids.push_back(checked_token(found[i], vocabulary, i, what));
  return ids;
}

}  // namespace spikeloom
