#pragma once
// UTF-8 between strings of bytes and code points. Thread-safe: pure functions.

#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

namespace spikeloom {

// A sequence at the start of some bytes: how many belong together, and whether they are a
// character, hopeless, or only cut off.
struct Utf8Sequence {
  size_t length = 1;
  char32_t code_point = 0;
  enum { kValid, kBroken, kCutOff } state = kBroken;
};
// Of at least one byte.
Utf8Sequence next_utf8(std::string_view bytes) noexcept;

// Well-formed UTF-8: no surrogates, no overlong forms, nothing above U+10FFFF.
bool is_utf8(std::string_view text) noexcept;

// Throws Error(kData) "<what>: invalid UTF-8 at byte <n>" (from 0).
std::vector<char32_t> decode_utf8(std::string_view bytes, const std::string& what);
void append_utf8(std::string& to, char32_t code_point);

// The text with one U+FFFD for each maximal ill-formed piece (Unicode 15, section 3.9).
std::string lossy_utf8(std::string_view bytes);

// Bytes before a sequence at the end that more bytes could still complete.
size_t complete_prefix(std::string_view bytes);

// UTF-16 with a byte order mark as UTF-8; other text is returned as it is, without a UTF-8 mark.
// Throws Error(kData) for lone surrogates and odd lengths.
std::string text_to_utf8(std::string_view bytes, const std::string& what);

// White_Space of Unicode.
bool is_white_space(char32_t code_point);

}  // namespace spikeloom
