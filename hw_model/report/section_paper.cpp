// Tables of sections for texts and programs: CSV, Markdown, LaTeX.
#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "core/io/hint.hpp"
#include "hw_model/report/section.hpp"

namespace spikeloom {
namespace {

struct Prefix {
  double size;
  const char *name, *latex;
};
constexpr Prefix kPrefixes[] = {{1e-12, "p", "p"}, {1e-9, "n", "n"}, {1e-6, "µ", "$\\mu$"},
                                {1e-3, "m", "m"},  {1, "", ""},      {1e3, "k", "k"},
                                {1e6, "M", "M"},   {1e9, "G", "G"},  {1e12, "T", "T"}};
constexpr const Prefix& kOne = kPrefixes[4];

using Escape = std::string (*)(std::string_view);

// A column as papers print it: one unit for all its numbers.
struct Printed {
  std::string head;
  bool right = false;
  std::vector<std::string> cells;  // escaped
};

// The prefix of the largest value; 1 for percent and small counts.
const Prefix& prefix_of(const Table& table, size_t c) {
  const std::string& unit = table.columns[c].unit;
  double high = 0;
  for (const auto& row : table.rows)
    if (std::isfinite(row[c].value)) high = std::max(high, std::fabs(row[c].value));
  if (unit == "%" || (unit.empty() && high < 1e5)) return kOne;
  const Prefix* best = unit.empty() ? &kOne : &kPrefixes[0];
  for (const Prefix& prefix : kPrefixes) {
    if (prefix.size > best->size && high >= prefix.size * 0.99995) best = &prefix;
  }
  return *best;
}

// Four digits, never a power of ten.
std::string four_digits(double value) {
  if (value == std::floor(value) && std::fabs(value) < 1e6) return fmt::format("{:.0f}", value);
  const double digits = std::floor(std::log10(std::max(std::fabs(value), 1e-9)));
  return fmt::format("{:.{}f}", value, static_cast<int>(std::clamp(3 - digits, 0.0, 9.0)));
}

std::vector<Printed> printed(const Table& table, Escape escape, bool latex) {
  std::vector<Printed> columns;
  for (size_t c = 0; c < table.columns.size(); ++c) {
    const Column& column = table.columns[c];
    if (column.detail) continue;
    const Prefix& prefix = prefix_of(table, c);
    const std::string unit = column.unit == "%"
                                 ? (latex ? "\\%" : "%")
                                 : (latex ? prefix.latex : prefix.name) + column.unit;
    columns.push_back({escape(column.name), column.align == Align::kRight, {}});
    if (columns.back().right && !unit.empty()) columns.back().head += " (" + unit + ")";
    for (const auto& row : table.rows) {
      const Cell& cell = row[c];
      std::string text;
      if (cell.show != Show::kText && std::isfinite(cell.value))
        text = column.unit == "%" ? fmt::format("{:.2f}", 100 * cell.value)
                                  : four_digits(cell.value / prefix.size);
      columns.back().cells.push_back(escape(text + cell.text));
    }
  }
  return columns;
}

std::string markdown_text(std::string_view text) {
  std::string out;
  for (const char c : text) {
    if (std::string_view("|\\`*_<>[]").find(c) != std::string_view::npos) out += '\\';
    out += static_cast<unsigned char>(c) < 0x20 || c == 0x7F ? '?' : c;
  }
  return out;
}

// A letter of Latin-1, which every LaTeX of the last twenty years sets without a package.
bool latin_letter(std::string_view bytes) {
  const unsigned code = 0xC0u + (static_cast<unsigned char>(bytes[1]) & 63u);
  constexpr unsigned kOthers[] = {0xD0, 0xD7, 0xDE, 0xF0, 0xF7, 0xFE};
  return static_cast<unsigned char>(bytes[0]) == 0xC3 &&
         (static_cast<unsigned char>(bytes[1]) & 0xC0) == 0x80 &&
         std::find(std::begin(kOthers), std::end(kOthers), code) == std::end(kOthers);
}

// Other characters beyond ASCII are "?".
std::string latex_text(std::string_view text) {
  static const std::pair<char, const char*> kEscapes[] = {{'\\', "\\textbackslash{}"},
                                                          {'{', "\\{"},
                                                          {'}', "\\}"},
                                                          {'$', "\\$"},
                                                          {'&', "\\&"},
                                                          {'#', "\\#"},
                                                          {'%', "\\%"},
                                                          {'_', "\\_"},
                                                          {'~', "\\textasciitilde{}"},
                                                          {'^', "\\textasciicircum{}"},
                                                          {'<', "\\textless{}"},
                                                          {'>', "\\textgreater{}"},
                                                          {'|', "\\textbar{}"},
                                                          {'"', "''"}};
  std::string out;
  for (size_t at = 0; at < text.size(); ++at) {
    const auto c = static_cast<unsigned char>(text[at]);
    if (c >= 0x80) {
      const std::string_view two = text.substr(at, 2);
      out += two.size() == 2 && latin_letter(two) ? std::string(two) : "?";
      while (at + 1 < text.size() && (static_cast<unsigned char>(text[at + 1]) & 0xC0) == 0x80)
        ++at;
      continue;
    }
    const auto* found = std::find_if(std::begin(kEscapes), std::end(kEscapes),
                                     [&](const auto& pair) { return pair.first == text[at]; });
    out += found != std::end(kEscapes) ? found->second
                                       : std::string(1, c < 0x20 || c == 0x7F ? '?' : text[at]);
  }
  return out;
}

// "as_built_per_sample_J", "share_fraction": what a column is and its unit.
std::string key_of(const Column& column) {
  if (!column.key.empty()) return column.key;
  std::string key;
  for (const char c : column.name) {
    const bool plain = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
    if (plain) key += c;
    if (!plain && !key.empty() && key.back() != '_') key += '_';
  }
  if (key.ends_with('_')) key.pop_back();
  const std::string unit = column.unit == "%" ? "fraction" : column.unit;
  return unit.empty() ? key : key + "_" + unit;
}

// Cells that hold commas, quotes or line breaks are quoted.
std::string csv_cell(std::string_view cell) {
  if (cell.find_first_of(",\"\r\n") == cell.npos) return std::string(cell);
  std::string out = "\"";
  for (const char c : cell) out += c == '"' ? std::string("\"\"") : std::string(1, c);
  return out + '"';
}

// The shortest text that reads back as the number; "" for what is not finite.
std::string csv_text(const Cell& cell) {
  if (cell.show == Show::kText) return csv_cell(cell.text);
  return std::isfinite(cell.value) ? fmt::format("{}", cell.value) : "";
}

}  // namespace

Table table_of(std::string_view keys) {
  Table table;
  for (size_t at = 0, end = 0; at <= keys.size(); at = end + 1) {
    end = std::min(keys.find(',', at), keys.size());
    const std::string key(keys.substr(at, end - at));
    table.columns.push_back({key, Align::kLeft, "", key});
  }
  return table;
}

void add_row(Table& table, std::map<std::string, Cell> cells) {
  auto& row = table.rows.emplace_back();
  for (const Column& column : table.columns) {
    const auto cell = cells.find(column.key);
    row.push_back(cell == cells.end() ? Cell("") : std::move(cell->second));
  }
}

std::string to_csv(const Table& table) {
  std::string out;
  for (const Column& column : table.columns)
    out += (out.empty() ? "" : ",") + csv_cell(key_of(column));
  for (const auto& row : table.rows) {
    for (size_t c = 0; c < row.size(); ++c) out += (c == 0 ? '\n' : ',') + csv_text(row[c]);
  }
  return out + "\n";
}

std::string to_markdown(const Section& section) {
  const std::vector<Printed> columns = printed(section.table, markdown_text, false);
  std::string out = "|", rule = "|";
  for (const Printed& column : columns) {
    out += " " + column.head + " |";
    rule += column.right ? "---:|" : "---|";
  }
  out += "\n" + rule + "\n";
  for (size_t row = 0; row < section.table.rows.size(); ++row) {
    out += "|";
    for (const Printed& column : columns) out += " " + column.cells[row] + " |";
    out += "\n";
  }
  for (const std::string& note : section.notes) out += "\n" + markdown_text(note) + "\n";
  if (!section.items.empty()) out += "\n";
  for (const std::string& item : section.items) out += "* " + markdown_text(item) + "\n";
  for (const Section& part : section.parts)
    out += "\n**" + markdown_text(part.heading) + "**\n\n" + to_markdown(part);
  return out;
}

std::string to_latex(const Section& section) {
  const std::vector<Printed> columns = printed(section.table, latex_text, true);
  std::string out = "% \\usepackage{booktabs}\n", shape, head;
  for (const std::string& note : section.notes) out += "% " + printable(note, 4000) + "\n";
  for (const std::string& item : section.items) out += "% " + printable(item, 4000) + "\n";
  for (const Printed& column : columns) {
    shape += column.right ? 'r' : 'l';
    head += (head.empty() ? "" : " & ") + column.head;
  }
  out += "\\begin{tabular}{" + shape + "}\n\\toprule\n" + head + " \\\\\n\\midrule\n";
  for (size_t row = 0; row < section.table.rows.size(); ++row) {
    for (size_t c = 0; c < columns.size(); ++c) {
      // A row that begins with a bracket or a star would be an option of the \\ before it.
      const std::string& cell = columns[c].cells[row];
      const bool option = c == 0 && (cell.starts_with('[') || cell.starts_with('*'));
      out += (c > 0 ? " & " : option ? "{}" : "") + cell;
    }
    out += " \\\\\n";
  }
  out += "\\bottomrule\n\\end{tabular}\n";
  for (const Section& part : section.parts)
    out += "\n% " + printable(part.heading, 4000) + "\n" + to_latex(part);
  return out;
}

}  // namespace spikeloom
