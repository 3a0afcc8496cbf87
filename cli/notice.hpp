#pragma once
// Lines on standard error beside the one of an error.

#include <fmt/format.h>

#include <cstdio>
#include <string>

namespace spikeloom {

// Writes the text to standard error. What cannot be written is lost: no result depends on it.
inline void put_on_stderr(const std::string& text) noexcept {
  std::fputs(text.c_str(), stderr);
  std::fflush(stderr);
}

// "spikeloom: <text>" as a line.
template <typename... T>
void notice(fmt::format_string<T...> format, T&&... arguments) {
  put_on_stderr("spikeloom: " + fmt::format(format, std::forward<T>(arguments)...) + "\n");
}

}  // namespace spikeloom
