#pragma once
// What all pictures share: numbers with SI prefixes, axis ticks, widths of texts, escaping, paths.
//
// SVG is written as text. Lengths are user units, which a page shows at one CSS pixel or more.
// Colours are CSS variables of the page (--s0 ... --s7, --ink, --muted, --grid), so that one
// picture serves light and dark screens. Thread-safe: pure functions.

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace spikeloom {

// Untrusted text for HTML and SVG, element or quoted attribute: & < > " ' become entities, control
// and bidirectional characters "?", so do bytes beyond ASCII when the text is not UTF-8.
std::string escape_html(std::string_view text);

// Four significant digits with the SI prefix that leaves 1 to 999: si_text(4.767e-5, "J") is
// "47.67 µJ". Without a unit there is no prefix below 1 and integers below 10000 stand exactly.
// NaN and infinity: "not measured".
std::string si_text(double value, std::string_view unit);
// As above with zeros at the end left out, for axes: "50 µJ", "1 k".
std::string tick_text(double value, std::string_view unit);
// "13.05 %"; NaN: "not measured".
std::string percent_or_text(double fraction);
// "0.377×", "5.77×"; "-" when one is not known or the base is not positive.
std::string times_text(double value, double base);
// Digits in groups of three: "184 107 008" (no-break spaces).
std::string grouped(int64_t value);

// Ticks 0, s, 2s, ... with s of 1, 2, 5 x 10^k, at most `most` >= 2; the last is >= high. A `high`
// that is not positive or not finite gives {0, 1}.
std::vector<double> nice_ticks(double high, int most);
// Powers of ten from the last <= low to the first >= high, thinned to at most `most` >= 2 (the ends
// stay within the axis: the first tick is its low end, the last its high end).
std::vector<double> log_ticks(double low, double high, int most);

// Upper estimate of the width of a text in the page's fonts (wide ones: DejaVu), size in user
// units.
double text_width(std::string_view text, double size, bool mono);
// Lines that fit `width`, broken behind a space, '.', '_', '/' or '-' where there is one in the
// last two thirds of a line, otherwise anywhere between characters. At least one line.
std::vector<std::string> wrap_label(std::string_view text, double width, double size, bool mono);

// Path of the set cells of a row-major bit image (one byte a cell): a horizontal stroke for each
// run, in units of cells, row r at y = r + 0.5. For stroke-width 1: "M0 .5h3M5 .5h1".
std::string run_path(std::span<const uint8_t> cells, int64_t columns);

// Shades of a heat map. 0 is "nothing"; values above 0 are 1 to kShades, `high` is kShades.
constexpr int kShades = 12;
int shade_of(double value, double high);
// Opacity of a shade; a measured 0 stays visible.
std::string shade_opacity(int shade);
// Paths of a row-major heat map in units of cells, one per shade; NaN cells stay empty.
std::string shade_paths(std::span<const double> values, int64_t columns, double high);

// A number as short as an attribute allows: two decimals, no zeros at the end.
std::string num(double value);
// <text>; `attributes` is markup, `text` is escaped.
std::string svg_text(double x, double y, std::string_view attributes, std::string_view text);
std::string svg_line(double x1, double y1, double x2, double y2, std::string_view css_class);
// The <svg> around `body` with role, label and a <title>.
std::string svg_frame(double width, double height, std::string_view title, std::string_view body);

}  // namespace spikeloom
