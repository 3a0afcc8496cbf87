#pragma once
// Pieces of a self-contained HTML page: skeleton with inline style, paragraphs, boxes.
//
// No script, nothing is loaded (a Content-Security-Policy in the page forbids it). Every
// text below is plain and escaped here, unless its name ends in _html. Wide and narrow drawings of a picture stand side by side in the page; its style shows the one
// that fits. On paper all details are open. Thread-safe: pure functions.

#include <string>
#include <string_view>
#include <vector>

#include "hw_model/report/section.hpp"

namespace spikeloom {

std::string section(std::string_view id, std::string_view heading, std::string_view body_html);
std::string paragraph(std::string_view text, std::string_view css_class = "");
std::string bullets(const std::vector<std::string>& items);
std::string details(std::string_view summary, std::string_view body_html);

std::string fact_boxes(const std::vector<Fact>& facts);

// What a report concludes, prominent; the word it begins with, if any, stands out. `mark`: "wins",
// "loses", "mixed" or "" chooses the colour.
std::string verdict_box(std::string_view word, std::string_view rest, std::string_view mark);
// A box with an icon for what the reader must know first: damage, missing report.
std::string warning_box(std::string_view text);

// The whole page, with a list of its sections before the first. `defs_html`: shapes that pictures refer to.
std::string page(std::string_view title, std::string_view subtitle, std::string_view body_html,
                 std::string_view footer, std::string_view defs_html = "");

}  // namespace spikeloom
