#pragma once
// A part of a report, made once: what it says, the figures behind it, a picture. Terminal, page,
// CSV, Markdown and LaTeX are renderings of it, so that they cannot disagree.
//
// Texts may be untrusted (names of layers, files): every renderer escapes them or makes them safe to
// print. Thread-safe: pure functions.

#include <cstdint>
#include <functional>
#include <limits>
#include <map>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace spikeloom {

struct BarChart;

// How a number is read. Rates and shares are fractions; energies are in J, times in s.
enum class Show {
  kText,
  kJoule,    // "47.67 uJ"
  kSecond,   // "1.234 ms"
  kCount,    // "375918", "136.9 M"
  kTenths,   // every digit before the point and one behind it
  kExact,    // every digit
  kPercent,  // "13.05 %"
  kShare,    // "98.87 %", never rounded up to all
  kTimes,    // "0.635x"
  kOneOver,  // "1/2.14"
  kNumber,   // "1.714"
};

struct Cell {
  // NOLINTBEGIN(google-explicit-constructor): rows are lists of texts and numbers.
  Cell(std::string words) : text(std::move(words)) {}
  Cell(std::string_view words) : text(words) {}
  Cell(const char* words) : text(words) {}
  Cell(int64_t count) : text(std::to_string(count)) {}  // every digit, whatever its size
  // NOLINTEND(google-explicit-constructor)
  Cell(Show how, double number, std::string behind = "")
      : show(how), value(number), text(std::move(behind)) {}

  Show show = Show::kText;
  double value = std::numeric_limits<double>::quiet_NaN();  // not finite: not known
  std::string text;  // of a number: what stands behind it, or in its place where it is not known
  std::string id, link;  // in pages: the cell's name, and that of the one it leads to
};

enum class Align { kLeft, kRight };

struct Column {
  std::string name;
  Align align = Align::kRight;
  std::string unit = {};  // of CSV, Markdown and LaTeX: "J", "s", "%" (of fractions), "" for counts
  std::string key = {};   // of CSV, with its unit; empty: made of name and unit
  bool detail = false;    // left out where there is little room, and in Markdown and LaTeX
};

struct Table {
  std::string caption = {};  // pages open the table by it; empty: it is open, but behind a picture
  std::vector<Column> columns = {};
  std::vector<std::vector<Cell>> rows = {};
  size_t keys = 1;  // the first columns, which name a row
};

struct LegendEntry {
  int color = 0;
  std::string text;
  bool pale = false;
};

// A drawing as SVG for a width in user units, and what explains it; pages alone show it.
struct Picture {
  std::function<std::string(double width)> draw;
  std::vector<std::string> notes;
  std::vector<LegendEntry> legend;
  double heat_high = 0;   // value of the darkest shade: adds a scale
  std::string heat_unit;  // "%" or a word
};

struct Section {
  std::string id = {}, heading = {};    // id: of pages, in links
  std::vector<std::string> notes = {};  // paragraphs
  Picture picture = {};
  std::vector<std::string> items = {};  // a list
  Table table = {};
  std::vector<Section> parts = {};  // without id; one without heading continues this section
  bool page_only = false;           // long lists, which a terminal leaves to pages and files

  bool empty() const {
    return notes.empty() && items.empty() && table.rows.empty() && parts.empty() && !picture.draw;
  }
};

// A box with name, value and a small note; a hash stands in monospace.
struct Fact {
  std::string name, value, note;
  bool hash = false;
};

// A number or text as it is read; ASCII but for texts of others.
std::string to_text(const Cell& cell);
// The same as pages write it, not escaped.
std::string to_label(const Cell& cell);

// Lines of at most `width` columns: heading, table, notes, list. Columns marked `detail` are left
// out and long texts wrapped where it must be; what still does not fit stands below, with the key
// columns again. "" for what pages alone show.
std::string to_text(const Section& section, size_t width);
std::string to_text(const std::vector<Section>& sections, size_t width);
// "name  value: note", a line each, wrapped.
std::string to_text(const std::vector<Fact>& facts, size_t width);

std::string to_html(const Section& section);
std::string to_html(const Table& table);
std::string to_html(const std::vector<Section>& sections);

// A table for programs: columns by their keys of CSV, "form,kind,name". Rows name the cells they
// have, others are empty.
Table table_of(std::string_view keys);
void add_row(Table& table, std::map<std::string, Cell> cells);

// RFC 4180: unrounded numbers, one unit per column, in its name.
std::string to_csv(const Table& table);
// One SI prefix per column, chosen by its largest value and written in its head; four significant
// digits. Notes stand below (Markdown) or as comments above it (LaTeX, which needs booktabs alone);
// parts follow.
std::string to_markdown(const Section& section);
std::string to_latex(const Section& section);

// The picture of a section: the chart at any width.
void set_chart(Section& section, BarChart chart);

}  // namespace spikeloom
