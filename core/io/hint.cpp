#include "core/io/hint.hpp"

#include <algorithm>
#include <vector>

#include "core/io/utf8.hpp"

namespace spikeloom {

size_t edit_distance(std::string_view a, std::string_view b) {
  std::vector<size_t> two_up(b.size() + 1), up(b.size() + 1), row(b.size() + 1);
  for (size_t j = 0; j <= b.size(); ++j) up[j] = j;
  for (size_t i = 1; i <= a.size(); ++i) {
    row[0] = i;
    for (size_t j = 1; j <= b.size(); ++j) {
      const size_t replace = up[j - 1] + (a[i - 1] == b[j - 1] ? 0 : 1);
      row[j] = std::min({replace, up[j] + 1, row[j - 1] + 1});
      if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1]) {
        row[j] = std::min(row[j], two_up[j - 2] + 1);
      }
    }
    std::swap(two_up, up);
    std::swap(up, row);
  }
  return up[b.size()];
}

bool is_slip(size_t distance, std::string_view a, std::string_view b) {
  const size_t longer = std::max(a.size(), b.size());
  return distance == 0 || (distance < longer && distance <= std::max<size_t>(1, longer / 3));
}

std::string nearest(std::string_view name, std::span<const std::string> candidates) {
  constexpr size_t kLongestName = 64;  // keeps hostile input from costing time
  std::string best;
  size_t best_distance = kLongestName;
  if (name.size() > kLongestName) return best;
  for (const std::string& candidate : candidates) {
    const size_t distance = edit_distance(name, candidate);
    if (distance < best_distance && is_slip(distance, name, candidate)) {
      best_distance = distance;
      best = candidate;
    }
  }
  return best;
}

std::string printable(std::string_view text, size_t limit) {
  const bool cut = text.size() > limit;
  if (cut) {
    while (limit > 0 && (static_cast<unsigned char>(text[limit]) & 0xC0) == 0x80) --limit;
    text = text.substr(0, limit);
  }
  const bool readable = is_utf8(text);
  std::string line(text);
  for (char& c : line) {
    const auto byte = static_cast<unsigned char>(c);
    if (byte < 0x20 || byte == 0x7f || (byte > 0x7f && !readable)) c = '?';
  }
  return cut ? line + "..." : line;
}

std::string in_quotes(std::string_view text) {
  std::string line(1, '"');
  return line.append(printable(text, 60)).append(1, '"');
}

}  // namespace spikeloom
