#include "tests/gpu/ptx/scanner.hpp"

#include <cctype>

namespace spikeloom::ptx {
namespace {

bool in_word(char c) {
  return std::isalnum(static_cast<unsigned char>(c)) != 0 || c == '_' || c == '$' || c == '.' ||
         c == '%';
}

}  // namespace

void Scanner::skip_space() {
  while (at_ < text_.size()) {
    if (std::isspace(static_cast<unsigned char>(text_[at_])) != 0) {
      advance();
    } else if (text_.substr(at_, 2) == "//") {
      while (at_ < text_.size() && text_[at_] != '\n') ++at_;
    } else if (text_.substr(at_, 2) == "/*") {
      while (at_ < text_.size() && text_.substr(at_, 2) != "*/") advance();
      at_ = std::min(at_ + 2, text_.size());
    } else {
      return;
    }
  }
}

bool Scanner::at_end() {
  return peek() == 0;
}

char Scanner::peek() {
  skip_space();
  return at_ < text_.size() ? text_[at_] : '\0';
}

void Scanner::expect(char c) {
  if (!take(c)) fail(line_, std::string("expected ") + c);
}

bool Scanner::take(char c) {
  if (peek() != c) return false;
  advance();
  return true;
}

std::string Scanner::word() {
  skip_space();
  const size_t first = at_;
  while (at_ < text_.size() && in_word(text_[at_])) ++at_;
  if (at_ == first) fail(line_, "unexpected text");
  return std::string(text_.substr(first, at_ - first));
}

std::string Scanner::rest_of_line() {
  const size_t first = at_;
  while (at_ < text_.size() && text_[at_] != '\n') ++at_;
  const std::string_view line = text_.substr(first, at_ - first);
  return trimmed(line.substr(0, line.find("//")));
}

std::string Scanner::until(char end) {
  const uint32_t first_line = line_;
  std::string text;
  for (; at_ < text_.size(); advance()) {
    if (text_[at_] == end) {
      advance();
      return trimmed(text);
    }
    if (text_.substr(at_, 2) == "//") {
      skip_space();
      if (at_ >= text_.size()) break;
      text += ' ';
      if (text_[at_] == end) continue;
    }
    text += text_[at_] == '\n' ? ' ' : text_[at_];
  }
  fail(first_line, "unfinished statement");
}

bool Scanner::take_label(std::string& name) {
  skip_space();
  size_t end = at_;
  while (end < text_.size() && in_word(text_[end])) ++end;
  if (end == at_ || end >= text_.size() || text_[end] != ':' || text_.substr(end, 2) == "::")
    return false;
  name = std::string(text_.substr(at_, end - at_));
  at_ = end + 1;
  return true;
}

std::string trimmed(std::string_view text) {
  while (!text.empty() && std::isspace(static_cast<unsigned char>(text.front())) != 0)
    text.remove_prefix(1);
  while (!text.empty() && std::isspace(static_cast<unsigned char>(text.back())) != 0)
    text.remove_suffix(1);
  return std::string(text);
}

std::vector<std::string> split(std::string_view text, char separator) {
  std::vector<std::string> pieces;
  int depth = 0;
  size_t first = 0;
  for (size_t i = 0; i <= text.size(); ++i) {
    if (i < text.size() && (text[i] == '{' || text[i] == '[')) ++depth;
    if (i < text.size() && (text[i] == '}' || text[i] == ']')) --depth;
    if (i < text.size() && (text[i] != separator || depth != 0)) continue;
    std::string piece = trimmed(text.substr(first, i - first));
    if (!piece.empty() || i < text.size()) pieces.push_back(std::move(piece));
    first = i + 1;
  }
  return pieces;
}

}  // namespace spikeloom::ptx
