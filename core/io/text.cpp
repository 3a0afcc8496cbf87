#include "core/io/text.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <span>

namespace spikeloom {
namespace {

struct Unit {
  double size;
  const char* name;
};

// Four significant digits in the largest unit that leaves at least 1 after rounding.
std::string with_unit(double value, std::span<const Unit> units) {
  constexpr double kRoundsUp = 0.99995;
  const double magnitude = std::fabs(value);
  const Unit* unit = units.data();
  for (const Unit& candidate : units) {
    if (magnitude >= kRoundsUp * candidate.size) unit = &candidate;
  }
  const double scaled = std::fabs(value / unit->size);
  const int whole_digits = scaled >= 100 * kRoundsUp ? 3 : scaled >= 10 * kRoundsUp ? 2 : 1;
  return fmt::format("{:.{}f} {}", value / unit->size, 4 - whole_digits, unit->name);
}

}  // namespace

std::string energy_text(double pJ) {
  constexpr Unit kUnits[] = {{1, "pJ"}, {1e3, "nJ"}, {1e6, "uJ"}, {1e9, "mJ"}, {1e12, "J"}};
  return with_unit(pJ, kUnits);
}

std::string count_text(double count) {
  constexpr Unit kUnits[] = {{1e6, "M"}, {1e9, "G"}, {1e12, "T"}};
  if (std::fabs(count) >= 1e6) return with_unit(count, kUnits);
  return count == std::floor(count) ? fmt::format("{:.0f}", count) : fmt::format("{:.1f}", count);
}

std::string percent_text(double fraction) {
  return fmt::format("{:.2f} %", fraction * 100);
}

std::string share_text(double share) {
  if (std::isnan(share)) return "unknown";
  if (share >= 1) return "100 %";
  // Never rounded up to all of it.
  return fmt::format("{:.2f} %", std::min(99.99, 100 * share));
}

std::string ratio_text(double value, double base) {
  if (!(base > 0)) return "-";
  const double ratio = value / base;
  // fmt writes 114.65 in three digits as "115.0".
  return ratio >= 99.95 && ratio < 1e6 ? fmt::format("{:.0f}x", ratio)
                                       : fmt::format("{:#.3g}x", ratio);
}

std::string wrap(std::string_view text, size_t indent, size_t width) {
  std::string out;
  size_t column = 0;
  bool at_start = true;  // of the text: leading spaces are kept
  size_t at = 0;
  while (at < text.size()) {
    const size_t word = text.find_first_not_of(' ', at);
    if (word == text.npos) break;
    const size_t end = std::min(text.find(' ', word), text.size());
    const size_t gap = at_start ? word : word - at;
    if (!at_start && column + gap + (end - word) > width) {
      out += '\n' + std::string(indent, ' ');
      column = indent;
    } else {
      out.append(gap, ' ');
      column += gap;
    }
    out += text.substr(word, end - word);
    column += end - word;
    at = end;
    at_start = false;
  }
  return out + '\n';
}

std::string columns(const std::vector<std::vector<std::string>>& rows, size_t width) {
  std::vector<size_t> widths;
  for (const auto& row : rows) {
    widths.resize(std::max(widths.size(), row.size()));
    for (size_t i = 0; i < row.size(); ++i) widths[i] = std::max(widths[i], row[i].size());
  }
  size_t others = 0;
  for (size_t i = 1; i < widths.size(); ++i) others += widths[i] + 2;
  if (!widths.empty() && widths[0] + others > width)
    widths[0] = width > others + 8 ? width - others : 8;
  std::string out;
  for (const auto& row : rows) {
    std::string line;
    for (size_t i = 0; i < row.size(); ++i) {
      std::string cell = row[i];
      if (i == 0 && cell.size() > widths[0]) cell = cell.substr(0, widths[0] - 3) + "...";
      const std::string pad(widths[i] - cell.size(), ' ');
      line += i == 0 ? cell + pad : "  " + pad + cell;
    }
    line.erase(line.find_last_not_of(' ') + 1);
    out += line + '\n';
  }
  return out;
}

}  // namespace spikeloom
