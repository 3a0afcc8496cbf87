#pragma once
// Words for error messages about names a user typed: the nearest known name, and text made safe to
// print.

#include <cstddef>
#include <span>
#include <string>
#include <string_view>

namespace spikeloom {

// Insertions, deletions, replacements and swaps of neighbours that turn `a` into `b` (optimal
// string alignment).
size_t edit_distance(std::string_view a, std::string_view b);

// True when `distance` between two names is small enough to be a slip: at most a third of the
// longer name, at least 1, and never the whole name.
bool is_slip(size_t distance, std::string_view a, std::string_view b);

// The candidate nearest to `name` (the first of equals), or "" when none is a slip away.
std::string nearest(std::string_view name, std::span<const std::string> candidates);

// Untrusted `text` on one line: control characters become "?", so do bytes beyond ASCII when the
// text is not UTF-8, and what exceeds `limit` bytes is cut and marked "...".
std::string printable(std::string_view text, size_t limit = 200);

// The same, at most 60 bytes, in double quotes.
std::string in_quotes(std::string_view text);

}  // namespace spikeloom
