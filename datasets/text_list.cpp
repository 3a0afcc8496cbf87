#include "datasets/text_list.hpp"

#include <algorithm>

#include "core/error.hpp"
#include "core/io/bytes.hpp"

namespace spikeloom {

std::string_view list_text(std::span<const std::byte> bytes, const std::string& what) {
  std::string_view text = as_text(bytes);
  if (text.starts_with("\xff\xfe") || text.starts_with("\xfe\xff") ||
      text.starts_with(std::string_view("\0\0\xfe\xff", 4))) {
    throw Error(ErrorCode::kData, what + ": is UTF-16 or UTF-32 text; save it as UTF-8");
  }
  if (text.starts_with("\xef\xbb\xbf")) text.remove_prefix(3);
  return text;
}

std::string_view take_line(std::string_view& text) {
  constexpr std::string_view kBlank = " \t\r";
  const size_t length = std::min(text.find('\n'), text.size());
  std::string_view line = text.substr(0, length);
  text.remove_prefix(std::min(length + 1, text.size()));
  const size_t first = line.find_first_not_of(kBlank);
  if (first == std::string_view::npos) return {};
  return line.substr(first, line.find_last_not_of(kBlank) - first + 1);
}

}  // namespace spikeloom
