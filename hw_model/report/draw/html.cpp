#include "hw_model/report/draw/html.hpp"

#include <fmt/format.h>

#include "hw_model/report/draw/page_style.hpp"
#include "hw_model/report/draw/svg.hpp"

namespace spikeloom {
namespace {

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
