#include "hw_model/report/draw/svg.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "core/io/text.hpp"
#include "core/io/utf8.hpp"

namespace spikeloom {
namespace {

// What would turn the text around it, or is no character at all.
bool unprintable(char32_t c) {
  return c < 0x20 || (c >= 0x7F && c < 0xA0) || c == 0x61C || (c >= 0x200B && c <= 0x200F) ||
         (c >= 0x2028 && c <= 0x202E) || (c >= 0x2060 && c <= 0x206F) || c == 0xFEFF ||
         (c >= 0xFFF9 && c <= 0xFFFB) || (c & 0xFFFE) == 0xFFFE;
}

// Calls f(code point, its bytes) for each character; a text that is no UTF-8 byte by byte.
template <typename F>
void for_each_character(std::string_view text, F&& f) {
  const bool valid = is_utf8(text);
  for (size_t at = 0; at < text.size();) {
    const Utf8Sequence next =
        valid ? next_utf8(text.substr(at)) : Utf8Sequence{1, char32_t(text[at] & 0x7F)};
    const bool known = valid || (text[at] & 0x80) == 0;
    f(known ? next.code_point : char32_t{0}, text.substr(at, next.length));
    at += next.length;
  }
}

double character_width(char32_t c, bool mono) {
  if (c == 0xA0 || c == ' ') return mono ? 0.61 : 0.33;
  if (c >= 0x80) return c < 0x250 ? (mono ? 0.61 : 0.85) : 1.2;
  if (mono) return 0.61;
  const auto in = [c](std::string_view set) { return set.find(static_cast<char>(c)) != set.npos; };
  if (in("mwMW@%")) return 1.0;
  if (in("ijlI.,:;'|!()[]ftr/")) return 0.42;
  return c >= 'A' && c <= 'Z' ? 0.79 : 0.645;
}

constexpr SiStyle kPageStyle{"\u00A0", "µ"};

// Counts have no prefix below 1.
SiPrefix prefix_of(double value, std::string_view unit) {
  return si_prefix(value, unit.empty() ? 1 : 1e-15);
}

}  // namespace

std::string escape_html(std::string_view text) {
  std::string out;
  for_each_character(text, [&](char32_t c, std::string_view bytes) {
    switch (c) {
      case '&': out += "&amp;"; break;
      case '<': out += "&lt;"; break;
      case '>': out += "&gt;"; break;
      case '"': out += "&quot;"; break;
      case '\'': out += "&#39;"; break;
      default: out += unprintable(c) ? std::string_view("?") : bytes;
    }
  });
  return out;
}

std::string si_text(double value, std::string_view unit) {
  if (!std::isfinite(value)) return "not measured";
  if (value == 0) return with_prefix("0", si_prefix(1), unit, kPageStyle);
  const SiPrefix prefix = prefix_of(value, unit);
  if (unit.empty() && std::fabs(value) < 10000) {
    return value == std::floor(value) ? fmt::format("{:.0f}", value) : fmt::format("{:.4g}", value);
  }
  return with_prefix(four_digits(value / prefix.size), prefix, unit, kPageStyle);
}

std::string tick_text(double value, std::string_view unit) {
  if (!std::isfinite(value)) return "not measured";
  if (value == 0) return "0";
  const SiPrefix prefix = prefix_of(value, unit);
  return with_prefix(fmt::format("{:.4g}", value / prefix.size), prefix, unit, kPageStyle);
}

std::string percent_or_text(double fraction) {
  return std::isfinite(fraction) ? fmt::format("{:.2f}\u00A0%", fraction * 100) : "not measured";
}

std::string times_text(double value, double base) {
  if (!std::isfinite(value) || !(base > 0) || !std::isfinite(base)) return "-";
  const double ratio = value / base;
  return ratio >= 99.95 && ratio < 1e6 ? fmt::format("{:.0f}×", ratio)
                                       : fmt::format("{:#.3g}×", ratio);
}

std::string grouped(int64_t value) {
  std::string digits = std::to_string(value), out;
  const size_t sign = value < 0 ? 1 : 0;
  for (size_t i = 0; i < digits.size(); ++i) {
    if (i > sign && (digits.size() - i) % 3 == 0) out += "\u00A0";
    out += digits[i];
  }
  return out;
}

std::vector<double> nice_ticks(double high, int most) {
  if (!(high > 0) || !std::isfinite(high)) return {0, 1};
  const double power = std::pow(10.0, std::floor(std::log10(high)) - 2);
  for (double decade = power; std::isfinite(decade); decade *= 10) {
    for (const double factor : {1.0, 2.0, 5.0}) {
      const double step = factor * decade;
      const double steps = std::ceil(high / step - 1e-9);
      if (steps + 1 > std::max(most, 2)) continue;
      std::vector<double> ticks;
      for (int i = 0; i <= static_cast<int>(steps); ++i) ticks.push_back(i * step);
      return ticks;
    }
  }
  return {0, high};
}

std::vector<double> log_ticks(double low, double high, int most) {
  if (!(low > 0) || !(high >= low) || !std::isfinite(high)) return {1, 10};
  const int first = static_cast<int>(std::floor(std::log10(low) + 1e-9));
  int last = static_cast<int>(std::ceil(std::log10(high) - 1e-9));
  if (last == first) ++last;
  const int stride = (last - first + std::max(most, 2) - 2) / (std::max(most, 2) - 1);
  last = first + (last - first + stride - 1) / stride * stride;
  std::vector<double> ticks;
  for (int decade = first; decade <= last; decade += stride)
    ticks.push_back(std::pow(10.0, decade));
  return ticks;
}

double text_width(std::string_view text, double size, bool mono) {
  double width = 0;
  for_each_character(text,
                     [&](char32_t c, std::string_view) { width += character_width(c, mono); });
  return width * size;
}

std::vector<std::string> wrap_label(std::string_view text, double width, double size, bool mono) {
  std::vector<std::string> lines{""};
  double used = 0;
  for_each_character(text, [&](char32_t c, std::string_view bytes) {
    const double step = character_width(c, mono) * size;
    std::string& line = lines.back();
    if (!line.empty() && used + step > width) {
      const size_t cut = line.find_last_of(" ._/-");
      std::string rest;
      if (cut != line.npos && cut + 1 >= line.size() / 3 && cut + 1 < line.size()) {
        rest = line.substr(cut + 1);
        line.resize(cut + 1);
      }
      if (line.back() == ' ') line.pop_back();
      used = text_width(rest, size, mono);
      lines.push_back(std::move(rest));
    }
    if (lines.size() > 1 && lines.back().empty() && c == ' ') return;
    lines.back() += bytes;
    used += step;
  });
  return lines;
}

std::string run_path(std::span<const uint8_t> cells, int64_t columns) {
  std::string path;
  const auto count = static_cast<int64_t>(cells.size());
  for (int64_t row = 0; columns > 0 && row * columns < count; ++row) {
    const uint8_t* line = cells.data() + row * columns;
    for (int64_t c = 0; c < columns;) {
      int64_t end = c;
      while (end < columns && line[end] != 0) ++end;
      if (end > c) path += fmt::format("M{} {}.5h{}", c, row, end - c);
      c = std::max(end, c + 1);
    }
  }
  return path;
}

int shade_of(double value, double high) {
  if (!(value > 0) || !(high > 0)) return 0;
  return std::clamp(static_cast<int>(std::ceil(value / high * kShades - 1e-9)), 1, kShades);
}

std::string shade_opacity(int shade) {
  return fmt::format("{:.2f}", shade == 0 ? 0.05 : 0.05 + 0.95 * shade / kShades);
}

std::string shade_paths(std::span<const double> values, int64_t columns, double high) {
  std::string out;
  std::vector<uint8_t> set(values.size());
  for (int shade = 0; shade <= kShades; ++shade) {
    for (size_t i = 0; i < values.size(); ++i)
      set[i] = !std::isnan(values[i]) && shade_of(values[i], high) == shade;
    const std::string path = run_path(set, columns);
    if (!path.empty())
      out += fmt::format("<path class=\"q\" stroke-opacity=\"{}\" d=\"{}\"/>", shade_opacity(shade),
                         path);
  }
  return out;
}

std::string num(double value) {
  std::string text = fmt::format("{:.2f}", value);
  text.erase(text.find_last_not_of('0') + 1);
  if (text.back() == '.') text.pop_back();
  return text == "-0" ? "0" : text;
}

std::string svg_text(double x, double y, std::string_view attributes, std::string_view text) {
  return fmt::format("<text x=\"{}\" y=\"{}\"{}{}>{}</text>", num(x), num(y),
                     attributes.empty() ? "" : " ", attributes, escape_html(text));
}

std::string svg_line(double x1, double y1, double x2, double y2, std::string_view css_class) {
  return fmt::format("<path class=\"{}\" d=\"M{} {}L{} {}\"/>", css_class, num(x1), num(y1),
                     num(x2), num(y2));
}

std::string svg_frame(double width, double height, std::string_view title, std::string_view body) {
  const std::string name = escape_html(title);
  return fmt::format(
      "<svg viewBox=\"0 0 {} {}\" role=\"img\" aria-label=\"{}\"><title>{}</title>{}</svg>",
      num(width), num(height), name, name, body);
}

}  // namespace spikeloom
