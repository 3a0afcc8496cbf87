#pragma once
// The text of PTX as statements.

#include <stdexcept>
#include <string>
#include <string_view>
#include <vector>

namespace spikeloom::ptx {

[[noreturn]] inline void fail(uint32_t line, const std::string& what) {
  throw std::runtime_error("PTX line " + std::to_string(line) + ": " + what);
}

class Scanner {
 public:
  explicit Scanner(std::string_view text) : text_(text) {}

  bool at_end();
  char peek();  // the next character that is no space or comment; 0 at the end
  uint32_t line() const { return line_; }
  void expect(char c);
  bool take(char c);
  std::string word();  // letters, digits, _ $ . % : until anything else
  std::string rest_of_line();
  std::string until(char end);         // and takes the end; braces and brackets hide nothing
  bool take_label(std::string& name);  // "name:"

 private:
  void skip_space();
  void advance() {
    if (text_[at_++] == '\n') ++line_;
  }
  std::string_view text_;
  size_t at_ = 0;
  uint32_t line_ = 1;
};

std::string trimmed(std::string_view text);
// At `separator`, outside braces and brackets; every piece trimmed.
std::vector<std::string> split(std::string_view text, char separator);

}  // namespace spikeloom::ptx
