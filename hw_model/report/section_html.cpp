// Sections for pages.
#include <fmt/format.h>

#include <cmath>
#include <memory>

#include "hw_model/report/draw/bar_chart.hpp"
#include "hw_model/report/draw/html.hpp"
#include "hw_model/report/draw/svg.hpp"
#include "hw_model/report/section.hpp"

namespace spikeloom {
namespace {

std::string swatch(const LegendEntry& entry) {
  return fmt::format(
      "<li><svg class=\"key\" viewBox=\"0 0 12 12\" aria-hidden=\"true\"><path class=\"s{}{}\" "
      "d=\"M0 1h12v10h-12z\"/></svg>{}</li>",
      entry.color % 8, entry.pale ? " pale" : "", escape_html(entry.text));
}

// Shades from 0 to the darkest.
std::string heat_scale(double high, std::string_view unit) {
  std::string cells;
  for (int shade = 0; shade <= kShades; ++shade)
    cells +=
        fmt::format("<path class=\"q\" stroke-width=\"10\" stroke-opacity=\"{}\" d=\"M{} 6h8\"/>",
                    shade_opacity(shade), shade * 8);
  const std::string end =
      unit == "%" ? percent_or_text(high) : fmt::format("{} {}", si_text(high, ""), unit);
  return fmt::format(
      "<li>0 <svg class=\"ramp\" viewBox=\"0 0 {} 12\" aria-hidden=\"true\">{}</svg> {}</li>",
      8 * (kShades + 1), cells, escape_html(end));
}

// The figure of a cell as a page writes it: SI prefixes, digits in groups, no line breaks.
std::string number_of(const Cell& cell) {
  const bool whole = cell.value == std::floor(cell.value) && std::fabs(cell.value) < 1e15;
  switch (cell.show) {
    case Show::kJoule: return si_text(cell.value, "J");
    case Show::kSecond: return si_text(cell.value, "s");
    case Show::kTimes: return times_text(cell.value, 1);
    case Show::kExact:
    case Show::kTenths:
      if (whole) return grouped(static_cast<int64_t>(cell.value));
      break;
    default: break;
  }
  std::string text = to_text(Cell(cell.show, cell.value)), out;
  for (const char c : text) out += c == ' ' ? std::string("\u00A0") : std::string(1, c);
  return out;
}

std::string cell_html(const Cell& cell, bool right) {
  std::string text = escape_html(to_label(cell));
  if (!cell.link.empty())
    text = fmt::format("<a href=\"#{}\">{}</a>", escape_html(cell.link), text);
  return fmt::format("<td{}{}>{}</td>", right ? " class=\"r\"" : "",
                     cell.id.empty() ? "" : fmt::format(" id=\"{}\"", escape_html(cell.id)), text);
}

std::string body_of(const Section& section);

std::string part_html(const Section& part) {
  if (part.empty()) return "";
  const std::string heading =
      part.heading.empty() ? "" : "<h3>" + escape_html(part.heading) + "</h3>";
  return heading + body_of(part);
}

std::string picture_html(const Picture& picture) {
  std::string out;
  for (const std::string& note : picture.notes) out += paragraph(note);
  if (!picture.legend.empty() || picture.heat_high > 0) {
    out += "<ul class=\"legend\">";
    for (const LegendEntry& entry : picture.legend) out += swatch(entry);
    if (picture.heat_high > 0) out += heat_scale(picture.heat_high, picture.heat_unit);
    out += "</ul>";
  }
  if (!picture.draw) return out;
  return out + "<div class=\"wide\">" + picture.draw(kWide) + "</div><div class=\"narrow\">" +
         picture.draw(kNarrow) + "</div>";
}

std::string body_of(const Section& section) {
  std::string out;
  for (const std::string& note : section.notes) out += paragraph(note);
  out += picture_html(section.picture);
  if (!section.items.empty()) out += bullets(section.items);
  if (!section.table.rows.empty()) {
    const std::string& caption = section.table.caption;
    const std::string table = to_html(section.table);
    out += caption.empty() && !section.picture.draw
               ? table
               : details(caption.empty() ? "The numbers" : caption, table);
  }
  for (const Section& part : section.parts) out += part_html(part);
  return out;
}

}  // namespace

std::string to_label(const Cell& cell) {
  if (cell.show == Show::kText) return cell.text;
  if (!std::isfinite(cell.value)) return cell.text.empty() ? "-" : cell.text;
  return number_of(cell) + cell.text;
}

std::string to_html(const Table& table) {
  std::string out = fmt::format("<div class=\"scroll\" tabindex=\"0\"><table{}><thead><tr>",
                                table.columns.size() > 12 ? " class=\"many\"" : "");
  const auto right = [&](size_t c) { return table.columns[c].align == Align::kRight; };
  for (size_t c = 0; c < table.columns.size(); ++c)
    out += fmt::format("<th{}>{}</th>", right(c) ? " class=\"r\"" : "",
                       escape_html(table.columns[c].name));
  out += "</tr></thead><tbody>";
  for (const auto& row : table.rows) {
    out += "<tr>";
    for (size_t c = 0; c < table.columns.size(); ++c)
      out += cell_html(c < row.size() ? row[c] : Cell(""), right(c));
    out += "</tr>\n";
  }
  return out + "</tbody></table></div>";
}

std::string to_html(const Section& part) {
  return part.empty() ? "" : section(part.id, part.heading, body_of(part));
}

std::string to_html(const std::vector<Section>& sections) {
  std::string out;
  for (const Section& section : sections) out += to_html(section);
  return out;
}

void set_chart(Section& section, BarChart chart) {
  // Shared: a function can be copied, and a chart may be long.
  section.picture.draw = [shared = std::make_shared<const BarChart>(std::move(chart))](
                             double width) { return draw(*shared, width); };
}

}  // namespace spikeloom
