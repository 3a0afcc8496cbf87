#include "datasets/added_tokens.hpp"

#include <algorithm>

#include "core/io/utf8.hpp"
#include "datasets/text_split.hpp"

namespace spikeloom {
namespace {

// Bytes of the character at the start of, and of the one at the end of, valid UTF-8.
size_t first_length(std::string_view text) {
  size_t length = 1;
  while (length < text.size() && (text[length] & 0xC0) == 0x80) ++length;
  return length;
}

size_t last_length(std::string_view text) {
  size_t length = 1;
  while (length < text.size() && (text[text.size() - length] & 0xC0) == 0x80) ++length;
  return length;
}

char32_t character(std::string_view bytes) {
  return decode_utf8(bytes, "text")[0];
}

bool ends_with_word(std::string_view text) {
  return !text.empty() &&
         is_word_character(character(text.substr(text.size() - last_length(text))));
}

bool starts_with_word(std::string_view text) {
  return !text.empty() && is_word_character(character(text.substr(0, first_length(text))));
}

size_t blanks_at_end(std::string_view text) {
  size_t count = 0;
  while (count < text.size()) {
    const std::string_view rest = text.substr(0, text.size() - count);
    const size_t length = last_length(rest);
    if (!is_white_space(character(rest.substr(rest.size() - length)))) break;
    count += length;
  }
  return count;
}

size_t blanks_at_start(std::string_view text) {
  size_t count = 0;
  while (count < text.size()) {
    const size_t length = first_length(text.substr(count));
    if (!is_white_space(character(text.substr(count, length)))) break;
    count += length;
  }
  return count;
}

}  // namespace

AddedTokens::AddedTokens(std::vector<AddedToken> tokens) : tokens_(std::move(tokens)) {
  const auto less = [](const AddedToken& a, const AddedToken& b) { return a.text < b.text; };
  const auto equal = [](const AddedToken& a, const AddedToken& b) { return a.text == b.text; };
  std::stable_sort(tokens_.begin(), tokens_.end(), less);
  tokens_.erase(std::unique(tokens_.begin(), tokens_.end(), equal), tokens_.end());
  std::vector<size_t> open;  // each begins with the one before
  for (size_t i = 0; i < tokens_.size(); ++i) {
    const std::string& text = tokens_[i].text;
    starts_[static_cast<uint8_t>(text[0])] = true;
    while (!open.empty() && !text.starts_with(tokens_[open.back()].text)) open.pop_back();
    shorter_.push_back(open.empty() ? kNone : open.back());
    open.push_back(i);
  }
}

// Everything sorted between a token and a text that begins with it begins with it too: so the
// longest is the last token not behind the text, or one that this token begins with.
const AddedToken* AddedTokens::match(std::string_view text) const {
  if (!starts_[static_cast<uint8_t>(text[0])]) return nullptr;
  const std::string_view head = text.substr(0, kMaxAddedToken);
  const auto behind = [](std::string_view wanted, const AddedToken& t) { return wanted < t.text; };
  const auto next = std::upper_bound(tokens_.begin(), tokens_.end(), head, behind);
  if (next == tokens_.begin()) return nullptr;
  auto at = static_cast<size_t>(next - tokens_.begin()) - 1;
  const std::string& last = tokens_[at].text;
  const auto common = static_cast<size_t>(
      std::mismatch(last.begin(), last.end(), head.begin(), head.end()).first - last.begin());
  while (at != kNone && tokens_[at].text.size() > common) at = shorter_[at];
  return at == kNone ? nullptr : &tokens_[at];
}

void AddedTokens::split(std::string_view text, std::vector<int32_t>& ids,
                        const std::function<void(std::string_view)>& plain) const {
  size_t done = 0;             // everything before has been handed on
  size_t from = 0, until = 0;  // a stretch of white space that has been measured
  for (size_t at = 0; !tokens_.empty() && at < text.size();) {
    const AddedToken* token = match(text.substr(at));
    if (token == nullptr) {
      ++at;
      continue;
    }
    size_t begin = at, end = at + token->text.size();
    at = end;
    if (token->single_word &&
        (ends_with_word(text.substr(0, begin)) || starts_with_word(text.substr(end)))) {
      continue;
    }
    if (token->lstrip && begin > done) begin -= blanks_at_end(text.substr(done, begin - done));
    if (token->rstrip) {
      if (end < from || end > until) {
        from = end;
        until = end + blanks_at_start(text.substr(end));
      }
      end = until;
    }
    if (done < begin) plain(text.substr(done, begin - done));
    ids.push_back(token->id);
    done = end;  // perhaps before the white space that the token before took, as in the original
  }
  if (done < text.size()) plain(text.substr(done));
}

}  // namespace spikeloom
