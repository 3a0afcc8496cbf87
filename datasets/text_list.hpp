#pragma once
// Lists that users write or export: lines of text, whatever program saved them.

#include <cstddef>
#include <span>
#include <string>
#include <string_view>

namespace spikeloom {

// The text without a UTF-8 byte order mark. Throws Error(kData) starting with `what` for UTF-16 and
// UTF-32, which have marks of their own.
std::string_view list_text(std::span<const std::byte> bytes, const std::string& what);

// Takes the next line off the front of `text`: without its end (\n, \r\n) and the blanks around it.
std::string_view take_line(std::string_view& text);

}  // namespace spikeloom
