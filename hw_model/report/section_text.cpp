// Sections for a terminal.
#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "core/io/hint.hpp"
#include "core/io/text.hpp"
#include "hw_model/report/draw/svg.hpp"
#include "hw_model/report/section.hpp"

namespace spikeloom {
namespace {

using Lines = std::vector<std::string>;

constexpr size_t kGap = 2, kLeastWrapped = 16, kLongest = 4000;

std::string ascii(std::string text) {
  for (const auto& [from, to] :
       {std::pair<std::string_view, std::string_view>{"\u00A0", " "}, {"µ", "u"}, {"×", "x"}}) {
    for (size_t at = text.find(from); at != text.npos; at = text.find(from, at))
      text.replace(at, from.size(), to);
  }
  return text;
}

std::string exact_text(double value) {
  return value == std::floor(value) && std::fabs(value) < 1e15 ? fmt::format("{:.0f}", value)
                                                               : fmt::format("{:.16g}", value);
}

size_t characters(std::string_view text) {
  return static_cast<size_t>(
      std::count_if(text.begin(), text.end(), [](char c) { return (c & 0xC0) != 0x80; }));
}

// Pieces of at most `width` characters, broken behind a space or inside a path; those after the
// first begin with a space, so that a row that goes on is not taken for another one.
Lines pieces(std::string_view text, size_t width) {
  Lines out;
  const auto room = [&] { return out.empty() || width < 2 ? width : width - 1; };
  const auto add = [&](std::string_view piece) {
    out.push_back((out.empty() ? "" : " ") + std::string(piece));
  };
  while (characters(text) > room()) {
    size_t end = 0;  // in bytes, of so many characters
    for (size_t count = 0; end < text.size(); ++end) {
      if ((text[end] & 0xC0) != 0x80 && count++ == room()) break;
    }
    size_t at = text.substr(0, end + 1).find_last_of(' ');
    if (at == text.npos || at == 0) {
      at = text.substr(0, end).find_last_of("/._-,");
      at = at == text.npos || at < end / 3 ? end : at + 1;
    }
    add(text.substr(0, at));
    text.remove_prefix(at);
    text.remove_prefix(std::min(text.find_first_not_of(' '), text.size()));
  }
  if (!text.empty() || out.empty()) add(text);
  return out;
}

struct Grid {
  std::vector<Lines> rows;  // the first is the head
  std::vector<size_t> widths;
  std::vector<Align> aligns;
  std::vector<bool> details;
  size_t keys = 1;
};

Grid grid_of(const Table& table) {
  Grid grid;
  grid.keys = std::min(table.keys, table.columns.size());
  grid.rows.resize(1 + table.rows.size());
  for (size_t c = 0; c < table.columns.size(); ++c) {
    const Column& column = table.columns[c];
    grid.rows[0].push_back(column.name);
    for (size_t r = 0; r < table.rows.size(); ++r) {
      const std::string text = c < table.rows[r].size() ? to_text(table.rows[r][c]) : "";
      grid.rows[r + 1].push_back(text.empty() ? "-" : text);
    }
    grid.aligns.push_back(column.align);
    grid.details.push_back(column.detail);
    size_t width = 0;
    for (const Lines& row : grid.rows) width = std::max(width, characters(row[c]));
    grid.widths.push_back(width);
  }
  return grid;
}

size_t width_of(const Grid& grid) {
  size_t width = 0;
  for (const size_t column : grid.widths) width += column + kGap;
  return width - std::min(width, kGap);
}

void drop_column(Grid& grid, size_t c) {
  const auto at = static_cast<std::ptrdiff_t>(c);
  for (Lines& row : grid.rows) row.erase(row.begin() + at);
  grid.widths.erase(grid.widths.begin() + at);
  grid.aligns.erase(grid.aligns.begin() + at);
  grid.details.erase(grid.details.begin() + at);
}

// Narrows the widest texts from `first` to before `end` until what is too much is gone.
void narrow_texts(Grid& grid, size_t first, size_t end, size_t over) {
  while (over > 0) {
    size_t widest = end;
    for (size_t c = first; c < end; ++c) {
      const bool wraps = grid.aligns[c] == Align::kLeft && grid.widths[c] > kLeastWrapped;
      if (wraps && (widest == end || grid.widths[c] > grid.widths[widest])) widest = c;
    }
    if (widest == end) return;
    --grid.widths[widest];
    --over;
  }
}

// Leaves out details, then narrows texts; keys, which stand again in every part of a table that
// goes on below, only where they leave no room.
void narrow(Grid& grid, size_t width) {
  for (size_t c = grid.widths.size(); c-- > grid.keys && width_of(grid) > width;) {
    if (grid.details[c]) drop_column(grid, c);
  }
  const auto over = [&](size_t used) { return used - std::min(used, width); };
  narrow_texts(grid, grid.keys, grid.widths.size(), over(width_of(grid)));
  size_t keys = 0, other = 0;
  for (size_t c = 0; c < grid.widths.size(); ++c) {
    if (c < grid.keys) keys += grid.widths[c] + kGap;
    if (c >= grid.keys) other = std::max(other, grid.widths[c]);
  }
  narrow_texts(grid, 0, grid.keys, over(keys + other));
}

void add_row(const Grid& grid, const Lines& row, const std::vector<size_t>& shown,
             std::string& out) {
  std::vector<Lines> cells;
  size_t height = 1;
  for (const size_t c : shown) {
    cells.push_back(pieces(row[c], grid.widths[c]));
    height = std::max(height, cells.back().size());
  }
  for (size_t y = 0; y < height; ++y) {
    std::string line;
    for (size_t i = 0; i < shown.size(); ++i) {
      const std::string text = y < cells[i].size() ? cells[i][y] : "";
      const std::string pad(
          grid.widths[shown[i]] - std::min(grid.widths[shown[i]], characters(text)), ' ');
      if (i > 0) line.append(kGap, ' ');
      line += grid.aligns[shown[i]] == Align::kLeft ? text + pad : pad + text;
    }
    line.erase(line.find_last_not_of(' ') + 1);
    out += line + '\n';
  }
}

std::string table_text(const Table& table, size_t width) {
  if (table.rows.empty()) return "";
  Grid grid = grid_of(table);
  narrow(grid, width);
  std::string out;
  for (size_t next = grid.keys; next < grid.widths.size() || out.empty();) {
    std::vector<size_t> shown;
    size_t used = 0;
    for (size_t c = 0; c < grid.keys; ++c) {
      shown.push_back(c);
      used += grid.widths[c] + kGap;
    }
    for (const size_t first = next; next < grid.widths.size(); ++next) {
      if (next > first && used + grid.widths[next] > width) break;
      shown.push_back(next);
      used += grid.widths[next] + kGap;
    }
    if (!out.empty()) out += '\n';
    const bool named = std::any_of(grid.rows[0].begin(), grid.rows[0].end(),
                                   [](const std::string& name) { return !name.empty(); });
    for (size_t r = named ? 0 : 1; r < grid.rows.size(); ++r)
      add_row(grid, grid.rows[r], shown, out);
  }
  return out;
}

std::string body_of(const Section& section, size_t width) {
  std::string out = table_text(section.table, width);
  for (const std::string& note : section.notes)
    out += wrap("  " + printable(note, kLongest), 2, width);
  for (const std::string& item : section.items)
    out += wrap("  - " + printable(item, kLongest), 4, width);
  for (const Section& part : section.parts) {
    if (part.page_only || part.empty()) continue;
    if (!part.heading.empty()) out += printable(part.heading) + '\n';
    out += body_of(part, width);
  }
  return out;
}

}  // namespace

std::string to_text(const Cell& cell) {
  if (cell.show == Show::kText) return printable(cell.text, kLongest);
  if (!std::isfinite(cell.value)) return cell.text.empty() ? "-" : printable(cell.text, kLongest);
  std::string text;
  switch (cell.show) {
    case Show::kText: break;
    case Show::kJoule: text = ascii(si_text(cell.value, "J")); break;
    case Show::kSecond: text = ascii(si_text(cell.value, "s")); break;
    case Show::kCount: text = count_text(cell.value); break;
    case Show::kTenths: text = fmt::format("{:.1f}", cell.value); break;
    case Show::kExact: text = exact_text(cell.value); break;
    case Show::kPercent: text = percent_text(cell.value); break;
    case Show::kShare: text = share_text(cell.value); break;
    case Show::kTimes: text = ratio_text(cell.value, 1); break;
    case Show::kOneOver: text = fmt::format("1/{:.3g}", cell.value); break;
    case Show::kNumber: text = fmt::format("{:.4g}", cell.value); break;
  }
  if (cell.show == Show::kTenths && text.ends_with(".0")) text.resize(text.size() - 2);
  return text + printable(ascii(cell.text), kLongest);
}

std::string to_text(const Section& section, size_t width) {
  if (section.page_only || section.empty()) return "";
  const std::string body = body_of(section, width);
  if (body.empty()) return "";
  std::string heading = printable(section.heading);
  for (char& c : heading) c = c >= 'a' && c <= 'z' ? static_cast<char>(c - 'a' + 'A') : c;
  return wrap(heading, 2, width) + body;
}

std::string to_text(const std::vector<Section>& sections, size_t width) {
  std::string out;
  for (const Section& section : sections) {
    if (const std::string text = to_text(section, width); !text.empty()) out += '\n' + text;
  }
  return out;
}

std::string to_text(const std::vector<Fact>& facts, size_t width) {
  size_t names = 0;
  for (const Fact& fact : facts) names = std::max(names, characters(fact.name));
  std::string out;
  for (const Fact& fact : facts) {
    const std::string pad(names - characters(fact.name), ' ');
    out += wrap(printable(ascii(fact.name + pad + "  " + fact.value +
                                (fact.note.empty() ? "" : ": " + fact.note)),
                          kLongest),
                names + 2, width);
  }
  return out;
}

}  // namespace spikeloom
