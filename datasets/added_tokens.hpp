#pragma once
// Tokens a tokenizer finds in a text before anything else: special tokens and those added later.

#include <array>
#include <cstdint>
#include <functional>
#include <string>
#include <string_view>
#include <vector>

namespace spikeloom {

struct AddedToken {
  std::string text;
  int32_t id = 0;
  bool lstrip = false, rstrip = false;  // takes the white space before it, behind it
  bool single_word = false;             // not inside a word
};

// Bounds the time of a search at one place.
constexpr size_t kMaxAddedToken = 256;

class AddedTokens {
 public:
  AddedTokens() = default;
  // Of equal texts the first counts; none is empty or longer than kMaxAddedToken.
  explicit AddedTokens(std::vector<AddedToken> tokens);

  // Splits valid UTF-8 at the leftmost, there the longest tokens: appends their ids, and calls
  // `plain` for what lies between, in order.
  void split(std::string_view text, std::vector<int32_t>& ids,
             const std::function<void(std::string_view)>& plain) const;

 private:
  // The longest token at the start of `text`, nullptr without one.
  const AddedToken* match(std::string_view text) const;

  static constexpr size_t kNone = SIZE_MAX;
  std::vector<AddedToken> tokens_;     // by text
  std::vector<size_t> shorter_;        // the longest other token that each begins with
  std::array<bool, 256> starts_ = {};  // bytes that a token begins with
};

}  // namespace spikeloom
