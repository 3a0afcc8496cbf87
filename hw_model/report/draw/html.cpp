#include "hw_model/report/draw/html.hpp"

#include <fmt/format.h>

#include "hw_model/report/draw/page_style.hpp"
#include "hw_model/report/draw/svg.hpp"

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

// A list of the sections of a body that section() made.
std::string contents(std::string_view body) {
  constexpr std::string_view kStart = "<section id=\"", kHeading = "\"><h2>", kEnd = "</h2>";
  std::string items;
  int count = 0;
  for (size_t at = body.find(kStart); at != body.npos; at = body.find(kStart, at)) {
    at += kStart.size();
    const size_t heading = body.find(kHeading, at), end = body.find(kEnd, at);
    items += fmt::format("<li><a href=\"#{}\">{}</a></li>", body.substr(at, heading - at),
                         body.substr(heading + kHeading.size(), end - heading - kHeading.size()));
    ++count;
  }
  return count < 3 ? "" : "<nav aria-label=\"Contents\"><ul>" + items + "</ul></nav>\n";
}

}  // namespace

std::string render(const HtmlTable& table) {
  std::string out = fmt::format("<div class=\"scroll\" tabindex=\"0\"><table{}><thead><tr>",
                                table.header.size() > 12 ? " class=\"many\"" : "");
  for (size_t c = 0; c < table.header.size(); ++c) {
    out += fmt::format("<th{}>{}</th>", c >= table.text_columns ? " class=\"r\"" : "",
                       escape_html(table.header[c]));
  }
  out += "</tr></thead><tbody>";
  for (size_t r = 0; r < table.rows.size(); ++r) {
    out += "<tr>";
    for (size_t c = 0; c < table.rows[r].size(); ++c) {
      const auto id = table.ids.find({r, c}), link = table.links.find({r, c});
      std::string tag = c >= table.text_columns ? "td class=\"r\"" : "td";
      if (id != table.ids.end()) tag += fmt::format(" id=\"{}\"", escape_html(id->second));
      std::string text = escape_html(table.rows[r][c]);
      if (link != table.links.end())
        text = fmt::format("<a href=\"#{}\">{}</a>", escape_html(link->second), text);
      out += fmt::format("<{}>{}</td>", tag, text);
    }
    out += "</tr>\n";
  }
  return out + "</tbody></table></div>";
}

void set_chart(HtmlFigure& figure, const BarChart& chart) {
  figure.wide_html = draw(chart, kWide);
  figure.narrow_html = draw(chart, kNarrow);
}

std::string render(const HtmlFigure& figure) {
  std::string body;
  for (const std::string& note : figure.notes) body += paragraph(note);
  if (!figure.legend.empty() || figure.heat_high > 0) {
    body += "<ul class=\"legend\">";
    for (const LegendEntry& entry : figure.legend) body += swatch(entry);
    if (figure.heat_high > 0) body += heat_scale(figure.heat_high, figure.heat_unit);
    body += "</ul>";
  }
  if (!figure.wide_html.empty()) {
    body += "<div class=\"wide\">" + figure.wide_html + "</div>";
    body += "<div class=\"narrow\">" + figure.narrow_html + "</div>";
  }
  body += figure.after_html;
  if (!figure.table.rows.empty())
    body += details(figure.table_name.empty() ? "The numbers" : figure.table_name,
                    render(figure.table));
  return section(figure.id, figure.heading, body);
}

std::string section(std::string_view id, std::string_view heading, std::string_view body_html) {
  return fmt::format("<section id=\"{}\"><h2>{}</h2>\n{}</section>\n", escape_html(id),
                     escape_html(heading), body_html);
}

std::string paragraph(std::string_view text, std::string_view css_class) {
  return fmt::format("<p{}>{}</p>\n",
                     css_class.empty() ? "" : fmt::format(" class=\"{}\"", css_class),
                     escape_html(text));
}

std::string bullets(const std::vector<std::string>& items) {
  std::string out = "<ul>";
  for (const std::string& item : items) out += "<li>" + escape_html(item) + "</li>\n";
  return out + "</ul>";
}

std::string details(std::string_view summary, std::string_view body_html) {
  return fmt::format("<details><summary>{}</summary>{}</details>\n", escape_html(summary),
                     body_html);
}

std::string fact_boxes(const std::vector<Fact>& facts) {
  std::string out = "<dl class=\"facts\">";
  for (const Fact& fact : facts) {
    out += fmt::format("<div><dt>{}</dt><dd{}>{}", escape_html(fact.name),
                       fact.hash ? " class=\"hash\"" : "", escape_html(fact.value));
    if (!fact.note.empty()) out += "<small>" + escape_html(fact.note) + "</small>";
    out += "</dd></div>";
  }
  return out + "</dl>\n";
}

std::string verdict_box(std::string_view word, std::string_view rest, std::string_view mark) {
  return fmt::format("<p class=\"verdict {}\"><strong>{}</strong>{}</p>\n", mark, escape_html(word),
                     escape_html(rest));
}

std::string warning_box(std::string_view text) {
  return paragraph(text, "warning");
}

std::string page(std::string_view title, std::string_view subtitle, std::string_view body_html,
                 std::string_view footer, std::string_view defs_html) {
  const std::string name = escape_html(title);
  std::string out = fmt::format(
      "<!DOCTYPE html>\n<html lang=\"en\"><head><meta charset=\"utf-8\">\n"
      "<meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; style-src "
      "'unsafe-inline'\">\n<meta name=\"viewport\" content=\"width=device-width, "
      "initial-scale=1\">\n<meta name=\"color-scheme\" content=\"light dark\">\n"
      "<title>{}</title>\n<style>\n{}</style></head>\n<body>\n",
      name, page_style());
  if (!defs_html.empty())
    out += fmt::format(
        "<svg class=\"defs\" width=\"0\" height=\"0\" aria-hidden=\"true\"><defs>{}</defs></svg>\n",
        defs_html);
  const size_t first = std::min(body_html.find("<section id=\""), body_html.size());
  out += fmt::format("<header><h1>{}</h1><p class=\"sub\">{}</p></header>\n<main>\n{}{}{}</main>\n",
                     name, escape_html(subtitle), body_html.substr(0, first), contents(body_html),
                     body_html.substr(first));
  return out + fmt::format("<footer>{}</footer>\n</body></html>\n", paragraph(footer));
}

}  // namespace spikeloom
