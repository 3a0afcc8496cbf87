#pragma once
// The Python literal in the header of an .npy file, character by character. Nothing is evaluated.
// Internal to the readers of such headers.

#include <string>
#include <string_view>

#include "core/error.hpp"

namespace spikeloom {

struct NpyText {
  std::string_view text;
  const std::string& what;  // starts every message
  size_t at = 0;

  [[noreturn]] void refuse(const std::string& why) const {
    throw Error(ErrorCode::kData,
                what + ": npy header, character " + std::to_string(at) + ": " + why);
  }
  void skip() {
    while (at < text.size() && (text[at] == ' ' || text[at] == '\n')) ++at;
  }
  // The next character, 0 at the end.
  char peek() {
    skip();
    return at < text.size() ? text[at] : '\0';
  }
  bool accept(char c) {
    if (peek() != c) return false;
    ++at;
    return true;
  }
  void expect(char c) {
    if (!accept(c)) refuse(std::string("expected '") + c + "'");
  }
  // Without escapes, which NumPy does not write.
  std::string_view string() {
    const char quote = peek();
    if (quote != '\'' && quote != '"') refuse("expected a quoted string");
    const size_t begin = ++at;
    while (at < text.size() && text[at] != quote && text[at] != '\\') ++at;
    if (at == text.size() || text[at] != quote) refuse("string without end");
    return text.substr(begin, at++ - begin);
  }
};

}  // namespace spikeloom
