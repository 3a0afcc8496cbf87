#include "core/io/utf8.hpp"

#include <algorithm>
#include <cstdint>

#include "core/error.hpp"

namespace spikeloom {
namespace {

constexpr char32_t kReplacement = 0xFFFD;

}  // namespace

Utf8Sequence next_utf8(std::string_view bytes) noexcept {
  const auto at = [&](size_t i) { return static_cast<uint8_t>(bytes[i]); };
  const uint8_t lead = at(0);
  if (lead < 0x80) return {1, lead, Utf8Sequence::kValid};
  if (lead < 0xC2 || lead > 0xF4) return {};
  const size_t wanted = lead < 0xE0 ? 2 : lead < 0xF0 ? 3 : 4;
  char32_t code_point = lead & (0xFFu >> (wanted + 1));
  for (size_t i = 1; i < wanted; ++i) {
    if (i == bytes.size()) return {i, 0, Utf8Sequence::kCutOff};
    uint8_t low = 0x80, high = 0xBF;  // the second byte rules out overlong forms and surrogates
    if (i == 1 && lead == 0xE0) low = 0xA0;
    if (i == 1 && lead == 0xED) high = 0x9F;
    if (i == 1 && lead == 0xF0) low = 0x90;
    if (i == 1 && lead == 0xF4) high = 0x8F;
    if (at(i) < low || at(i) > high) return {i, 0, Utf8Sequence::kBroken};
    code_point = code_point << 6 | (at(i) & 0x3Fu);
  }
  return {wanted, code_point, Utf8Sequence::kValid};
}

bool is_utf8(std::string_view text) noexcept {
  while (!text.empty()) {
    const Utf8Sequence next = next_utf8(text);
    if (next.state != Utf8Sequence::kValid) return false;
    text.remove_prefix(next.length);
  }
  return true;
}

std::vector<char32_t> decode_utf8(std::string_view bytes, const std::string& what) {
  std::vector<char32_t> result;
  result.reserve(bytes.size());
  for (size_t at = 0; at < bytes.size();) {
    const Utf8Sequence next = next_utf8(bytes.substr(at));
    if (next.state != Utf8Sequence::kValid) {
      throw Error(ErrorCode::kData, what + ": invalid UTF-8 at byte " + std::to_string(at));
    }
    result.push_back(next.code_point);
    at += next.length;
  }
  return result;
}

void append_utf8(std::string& to, char32_t c) {
  const auto push = [&](char32_t byte) { to.push_back(static_cast<char>(byte)); };
  if (c < 0x80) {
    push(c);
  } else if (c < 0x800) {
    push(0xC0 | c >> 6);
    push(0x80 | (c & 0x3F));
  } else if (c < 0x10000) {
    push(0xE0 | c >> 12);
    push(0x80 | (c >> 6 & 0x3F));
    push(0x80 | (c & 0x3F));
  } else {
    push(0xF0 | c >> 18);
    push(0x80 | (c >> 12 & 0x3F));
    push(0x80 | (c >> 6 & 0x3F));
    push(0x80 | (c & 0x3F));
  }
}

std::string lossy_utf8(std::string_view bytes) {
  std::string result;
  for (size_t at = 0; at < bytes.size();) {
    const Utf8Sequence next = next_utf8(bytes.substr(at));
    if (next.state == Utf8Sequence::kValid) {
      result.append(bytes.substr(at, next.length));
    } else {
      append_utf8(result, kReplacement);
    }
    at += next.length;
  }
  return result;
}

size_t complete_prefix(std::string_view bytes) {
  for (size_t tail = 1; tail <= std::min<size_t>(3, bytes.size()); ++tail) {
    const size_t at = bytes.size() - tail;
    const Utf8Sequence last = next_utf8(bytes.substr(at));
    if (last.state == Utf8Sequence::kCutOff && last.length == tail) return at;
  }
  return bytes.size();
}

std::string text_to_utf8(std::string_view bytes, const std::string& what) {
  if (bytes.starts_with("\xEF\xBB\xBF")) return std::string(bytes.substr(3));
  const bool little = bytes.starts_with("\xFF\xFE"), big = bytes.starts_with("\xFE\xFF");
  if (!little && !big) return std::string(bytes);
  if (bytes.size() % 2 != 0)
    throw Error(ErrorCode::kData, what + ": half a UTF-16 unit at the end");
  const auto unit = [&](size_t i) -> char32_t {
    const auto a = static_cast<uint8_t>(bytes[i]), b = static_cast<uint8_t>(bytes[i + 1]);
    return little ? static_cast<char32_t>(b << 8 | a) : static_cast<char32_t>(a << 8 | b);
  };
  std::string result;
  for (size_t at = 2; at < bytes.size(); at += 2) {
    char32_t c = unit(at);
    if (c >= 0xD800 && c < 0xE000) {
      const bool pairs =
          c < 0xDC00 && at + 2 < bytes.size() && unit(at + 2) >= 0xDC00 && unit(at + 2) < 0xE000;
      if (!pairs) {
        throw Error(ErrorCode::kData, what + ": lone surrogate at byte " + std::to_string(at));
      }
      c = 0x10000 + ((c - 0xD800) << 10) + (unit(at + 2) - 0xDC00);
      at += 2;
    }
    append_utf8(result, c);
  }
  return result;
}

bool is_white_space(char32_t c) {
  return (c >= 0x9 && c <= 0xD) || c == 0x20 || c == 0x85 || c == 0xA0 || c == 0x1680 ||
         (c >= 0x2000 && c <= 0x200A) || c == 0x2028 || c == 0x2029 || c == 0x202F || c == 0x205F ||
         c == 0x3000;
}

}  // namespace spikeloom
