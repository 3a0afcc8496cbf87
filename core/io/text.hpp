#pragma once
// Numbers and lines for people: units, aligned columns, wrapping. ASCII but for SiStyle.

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace spikeloom {

struct SiPrefix {
  double size;
  const char* name;
};

// The largest prefix in [smallest, largest] that leaves at least 1 after rounding to four digits;
// without one `smallest`, both powers of 1000 from 1e-15 to 1e15.
SiPrefix si_prefix(double value, double smallest = 1e-15, double largest = 1e15);

// How a prefix is written: a space that does not break and a real micro sign on pages.
struct SiStyle {
  const char* gap = " ";
  const char* micro = "u";
};
// `digits` of value / prefix.size, then the unit: "16.70 mJ". Without prefix and unit only digits.
std::string with_prefix(const std::string& digits, const SiPrefix& prefix, std::string_view unit,
                        const SiStyle& style = {});
// Four significant digits, at most three of them behind the point.
std::string four_digits(double value);

// Four significant digits with a unit: "4.600 pJ", "200.9 uJ", "16.70 mJ".
std::string energy_text(double pJ);
// "375918" below a million, then four significant digits: "136.9 M", "6.473 G". A fraction keeps
// one decimal.
std::string count_text(double count);
// 0.1423 -> "14.23 %"
std::string percent_text(double fraction);
std::string share_text(double share);  // "100 %", "98.76 %", "unknown"
// Three digits: 0.6352 -> "0.635x", 1 -> "1.00x", 114.65 -> "115x"; "-" when the base is not
// positive.
std::string ratio_text(double value, double base);

// Breaks `text` at spaces so that no line exceeds `width` (a longer word stands alone); lines after
// the first begin with `indent` spaces. Ends with a newline.
std::string wrap(std::string_view text, size_t indent = 2, size_t width = 100);

// Rows of cells as aligned columns: the first left, the others right; two spaces between. Lines end
// with newlines, without trailing spaces; cells of the first column are cut ("...") where a line
// would exceed `width`.
std::string columns(const std::vector<std::vector<std::string>>& rows, size_t width = 100);

}  // namespace spikeloom
