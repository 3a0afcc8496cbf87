#include "core/io/text.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

namespace spikeloom {
namespace {

constexpr SiPrefix kPrefixes[] = {{1e-15, "f"}, {1e-12, "p"}, {1e-9, "n"}, {1e-6, "u"},
                                  {1e-3, "m"},  {1, ""},      {1e3, "k"},  {1e6, "M"},
                                  {1e9, "G"},   {1e12, "T"},  {1e15, "P"}};
constexpr double kRoundsUp = 0.99995;  // to the next power of ten, in four digits

}  // namespace

SiPrefix si_prefix(double value, double smallest, double largest) {
  SiPrefix best{};
  for (const SiPrefix& prefix : kPrefixes) {
    if (prefix.size < smallest || prefix.size > largest) continue;
    if (best.name == nullptr || std::fabs(value) >= prefix.size * kRoundsUp) best = prefix;
  }
  return best;
}

std::string with_prefix(const std::string& digits, const SiPrefix& prefix, std::string_view unit,
                        const SiStyle& style) {
  std::string name = prefix.size == 1e-6 ? style.micro : prefix.name;
  name += unit;
  return name.empty() ? digits : digits + style.gap + name;
}

std::string four_digits(double value) {
  const double size = std::fabs(value);
  const int whole_digits = size >= 100 * kRoundsUp ? 3 : size >= 10 * kRoundsUp ? 2 : 1;
  return fmt::format("{:.{}f}", value, 4 - whole_digits);
}

std::string energy_text(double pJ) {
  const SiPrefix prefix = si_prefix(pJ * 1e-12, 1e-12, 1);
  return with_prefix(four_digits(pJ * 1e-12 / prefix.size), prefix, "J");
}

std::string count_text(double count) {
  if (std::fabs(count) >= 1e6) {
    const SiPrefix prefix = si_prefix(count, 1e6, 1e12);
    return with_prefix(four_digits(count / prefix.size), prefix, "");
  }
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
