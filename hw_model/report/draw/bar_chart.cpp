#include "hw_model/report/draw/bar_chart.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <map>

#include "hw_model/report/draw/svg.hpp"

namespace spikeloom {
namespace {

constexpr double kLabelSize = 12, kTextSize = 11, kLine = 14, kBar = 14, kThick = 10,
                 kShortHeading = 160;

double sum(const Bar& bar) {
  double total = 0;
  for (const BarSegment& segment : bar.segments) total += segment.value;
  return total;
}

template <typename F>
void for_each_bar(const BarChart& chart, F&& f) {
  for (const BarRow& row : chart.rows) {
    for (const Bar& bar : row.bars) f(bar);
  }
}

// Smallest and largest positive ends of the bars; 0 when there is none.
std::pair<double, double> extent(const BarChart& chart) {
  double low = 0, high = 0;
  for_each_bar(chart, [&](const Bar& bar) {
    for (const double value : {bar.from, sum(bar)}) {
      if (!(value > 0) || !std::isfinite(value)) continue;
      low = low > 0 ? std::min(low, value) : value;
      high = std::max(high, value);
    }
  });
  return {low, high};
}

std::string tick_label(const BarChart& chart, double value) {
  return chart.unit == "%" ? fmt::format("{:.4g}\u00A0%", value * 100)
                           : tick_text(value, chart.unit);
}

struct Layout {
  bool narrow = false;
  double width = 0, x0 = 0, x1 = 0;  // plot
  double label_width = 0;
  double heat_x = 0, heat_width = 0;
  double top = 0, bottom = 0;
  std::vector<double> ticks;
  std::vector<std::vector<std::string>> labels;  // lines, per row
  std::vector<double> row_y, bar_y;              // of the label's first baseline; of the first bar
  std::vector<std::string> axis_lines, heat_lines;
};

double scale(const BarChart& chart, const Layout& at, double value) {
  const double low = at.ticks.front(), high = at.ticks.back();
  const double share =
      chart.log ? (value > 0 ? std::log(value / low) / std::log(high / low) : 0.0) : value / high;
  return at.x0 + std::clamp(share, 0.0, 1.0) * (at.x1 - at.x0);
}

double widest_tick(const BarChart& chart, const std::vector<double>& ticks) {
  double width = 0;
  for (const double tick : ticks)
    width = std::max(width, text_width(tick_label(chart, tick), kTextSize, false));
  return width;
}

// As many ticks as their labels leave room for.
void choose_ticks(const BarChart& chart, Layout& at, double end) {
  const auto [low, high] = extent(chart);
  for (int most = 7; most >= 2; --most) {
    at.ticks = chart.log ? log_ticks(low, high, most) : nice_ticks(high, most);
    const double label = widest_tick(chart, at.ticks);
    at.x1 = std::min(end, at.width - label / 2 - 2);
    if ((at.x1 - at.x0) / static_cast<double>(at.ticks.size() - 1) > 1.5 * label + 8) break;
  }
}

void place_columns(const BarChart& chart, Layout& at) {
  double label = 0, value = 0;
  for (const BarRow& row : chart.rows) {
    // Short headings stay beside the bars, long ones run above them.
    const double width = text_width(row.label, kLabelSize, chart.mono || row.heading);
    if (!row.heading || width < kShortHeading) label = std::max(label, width);
  }
  for_each_bar(chart, [&](const Bar& bar) {
    value = std::max(value, text_width(bar.text, kTextSize, false));
  });
  at.label_width = at.narrow ? at.width - 8 : std::min(label + 1, 340.0);
  at.x0 = at.narrow ? 6 : at.label_width + 14;
  at.heat_width = chart.heat_axis.empty() ? 0 : at.narrow ? 112 : 230;
  at.heat_x = at.width - at.heat_width - (at.heat_width > 0 ? 2 : 0);
  const double right = at.heat_width > 0 ? at.heat_x - 14 : at.width;
  choose_ticks(chart, at, right - value - 8);
}

void place_rows(const BarChart& chart, Layout& at) {
  const double axis_room = (at.heat_width > 0 ? at.heat_x - 12 : at.width) - at.x0;
  at.axis_lines = wrap_label(chart.axis, axis_room, kTextSize, false);
  if (at.heat_width > 0)
    at.heat_lines = wrap_label(chart.heat_axis, at.heat_width, kTextSize, false);
  const auto head = static_cast<double>(std::max(at.axis_lines.size(), at.heat_lines.size()));
  at.top = head * kLine + 20;
  double y = at.top + 4;
  for (const BarRow& row : chart.rows) {
    const double room = row.heading ? at.width - 8 : at.label_width;
    at.labels.push_back(wrap_label(row.label, room, kLabelSize, chart.mono && !row.heading));
    const double text = static_cast<double>(at.labels.back().size()) * kLine;
    const double bars = std::max(1.0, static_cast<double>(row.bars.size())) * kBar;
    if (row.heading) {
      y += 6;
      at.row_y.push_back(y + 11);
      at.bar_y.push_back(y);
      y += text + 4;
    } else if (at.narrow) {
      at.row_y.push_back(y + 11);
      at.bar_y.push_back(y + text + 1);
      y += text + bars + 9;
    } else {
      const double height = std::max(text, bars);
      at.row_y.push_back(y + (height - text) / 2 + 11);
      at.bar_y.push_back(y + (height - bars) / 2);
      y += height + 4;
    }
  }
  at.bottom = y;
}

std::string draw_axis(const BarChart& chart, const Layout& at, bool below) {
  std::string out;
  for (size_t i = 0; i < at.axis_lines.size(); ++i)
    out += svg_text(at.x0, 11 + kLine * static_cast<double>(i), "class=\"n\"", at.axis_lines[i]);
  for (const double tick : at.ticks) {
    const double x = scale(chart, at, tick);
    out += svg_line(x, at.top, x, at.bottom, "g");
    const std::string label = tick_label(chart, tick);
    const bool start = x - text_width(label, kTextSize, false) / 2 < 0;
    const std::string attributes = start ? "class=\"n\"" : "class=\"n\" text-anchor=\"middle\"";
    out += svg_text(start ? 0 : x, at.top - 5, attributes, label);
    if (below) out += svg_text(start ? 0 : x, at.bottom + 13, attributes, label);
  }
  return out;
}

std::string draw_bar(const BarChart& chart, const Layout& at, const Bar& bar, double y) {
  std::string out;
  double from = bar.from, end = at.x0;
  const double top = y + (kBar - kThick) / 2;
  for (const BarSegment& segment : bar.segments) {
    if (!(segment.value > 0) || !std::isfinite(segment.value)) continue;
    const double to = bar.from > 0 ? segment.value : from + segment.value;
    const double x = scale(chart, at, from), right = scale(chart, at, to);
    out += fmt::format("<path class=\"s{}{}\" d=\"M{} {}h{}v{}h-{}z\"/>", segment.color % 8,
                       bar.pale ? " pale" : "", num(x), num(top), num(std::max(right - x, 0.6)),
                       num(kThick), num(std::max(right - x, 0.6)));
    from = to;
    end = std::max(right, x + 0.6);
  }
  return bar.text.empty() ? out : out + svg_text(end + 5, y + 11, "class=\"v\"", bar.text);
}

std::string draw_rows(const BarChart& chart, const Layout& at) {
  std::string out;
  for (size_t r = 0; r < chart.rows.size(); ++r) {
    const BarRow& row = chart.rows[r];
    out += "<g>";
    if (!row.tip.empty()) out += "<title>" + escape_html(row.tip) + "</title>";
    const bool right = !at.narrow && !row.heading;
    std::string attributes = row.heading ? "class=\"h\"" : chart.mono ? "class=\"m\"" : "";
    if (right) attributes += " text-anchor=\"end\"";
    const double x = row.heading ? 2 : right ? at.label_width + 6 : 4;
    for (size_t i = 0; i < at.labels[r].size(); ++i)
      out += svg_text(x, at.row_y[r] + kLine * static_cast<double>(i), attributes, at.labels[r][i]);
    for (size_t b = 0; b < row.bars.size(); ++b)
      out += draw_bar(chart, at, row.bars[b], at.bar_y[r] + kBar * static_cast<double>(b));
    out += "</g>";
  }
  return out;
}

std::string draw_heat_axis(const BarChart& chart, const Layout& at, double cell, bool below) {
  std::string out;
  for (size_t i = 0; i < at.heat_lines.size(); ++i)
    out +=
        svg_text(at.heat_x, 11 + kLine * static_cast<double>(i), "class=\"n\"", at.heat_lines[i]);
  double free = at.heat_x - 2;
  for (size_t c = 0; c < chart.heat_labels.size(); ++c) {
    const double centre = at.heat_x + cell * (static_cast<double>(c) + 0.5);
    const double half = text_width(chart.heat_labels[c], kTextSize, false) / 2;
    if (centre - half < free || centre + half > at.width) continue;
    free = centre + half + 6;
    for (const double y : {at.top - 5, at.bottom + 13}) {
      if (y < at.bottom || below)
        out += svg_text(centre, y, "class=\"n\" text-anchor=\"middle\"", chart.heat_labels[c]);
    }
  }
  return out;
}

// Cells of all rows as strokes, gathered by shade.
std::string draw_heat(const BarChart& chart, const Layout& at, bool below) {
  if (chart.heat_labels.empty()) return "";
  const double cell = at.heat_width / static_cast<double>(chart.heat_labels.size());
  std::map<int, std::string> paths;
  for (size_t r = 0; r < chart.rows.size(); ++r) {
    const std::vector<double>& cells = chart.rows[r].cells;
    const std::string y = num(at.bar_y[r] + kBar / 2);
    for (size_t c = 0; c < cells.size();) {
      if (std::isnan(cells[c])) {
        ++c;
        continue;
      }
      const int shade = shade_of(cells[c], chart.heat_high);
      size_t end = c + 1;
      while (end < cells.size() && !std::isnan(cells[end]) &&
             shade_of(cells[end], chart.heat_high) == shade)
        ++end;
      paths[shade] += fmt::format("M{} {}h{}", c, y, end - c);
      c = end;
    }
  }
  std::string out = fmt::format("<g transform=\"translate({} 0) scale({} 1)\" stroke-width=\"{}\">",
                                num(at.heat_x), fmt::format("{:.4f}", cell), num(kBar - 1));
  for (const auto& [shade, path] : paths)
    out += fmt::format("<path class=\"q\" stroke-opacity=\"{}\" d=\"{}\"/>", shade_opacity(shade),
                       path);
  return out + "</g>" + draw_heat_axis(chart, at, cell, below);
}

std::string draw_panel(const BarChart& chart, Layout at) {
  place_rows(chart, at);
  const bool below = at.bottom - at.top > 480;  // the ticks above are out of sight
  const std::string body = draw_axis(chart, at, below) +
                           svg_line(at.x0, at.top, at.x0, at.bottom, "x") +
                           draw_heat(chart, at, below) + draw_rows(chart, at);
  return svg_frame(at.width, at.bottom + (below ? 20 : 6), chart.title, body);
}

// Rows of equal panels that fit a page of paper each.
size_t rows_of_panel(const BarChart& chart) {
  constexpr double kPanel = 1000;
  double height = 0;
  for (const BarRow& row : chart.rows)
    height += std::max(1.0, static_cast<double>(row.bars.size())) * kBar + 5;
  const auto panels = std::max<size_t>(1, static_cast<size_t>(std::ceil(height / kPanel)));
  return std::max<size_t>(1, (chart.rows.size() + panels - 1) / panels);
}

}  // namespace

std::string draw(const BarChart& chart, double width) {
  Layout columns;
  columns.width = width;
  columns.narrow = width < 600;
  place_columns(chart, columns);
  const size_t most = rows_of_panel(chart);
  std::string out;
  for (size_t first = 0; first == 0 || first < chart.rows.size(); first += most) {
    BarChart panel = chart;
    const auto begin = chart.rows.begin() + static_cast<std::ptrdiff_t>(first);
    const auto left = static_cast<std::ptrdiff_t>(std::min(most, chart.rows.size() - first));
    panel.rows.assign(begin, begin + left);
    if (first > 0) panel.title += fmt::format(", from row {}", first + 1);
    out += draw_panel(panel, columns);
  }
  return out;
}

void choose_axis(BarChart& chart, const std::string& measured, double factor) {
  const auto [low, high] = extent(chart);
  chart.log = low > 0 && high / low > factor;
  chart.axis = chart.log ? measured + ", logarithmic axis" : measured;
}

}  // namespace spikeloom
