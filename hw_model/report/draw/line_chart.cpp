#include "hw_model/report/draw/line_chart.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <numeric>

#include "hw_model/report/draw/svg.hpp"

namespace spikeloom {
namespace {

constexpr double kHeight = 260, kLine = 14, kTextSize = 11, kLogSpan = 30;

// Maps values to coordinates, linearly or by their logarithms.
struct Axis {
  double low = 0, high = 1, from = 0, to = 1;
  bool log = false;

  double at(double value) const {
    const auto place = [this](double v) { return log ? std::log10(v) : v; };
    const double span = place(high) - place(low);
    return span > 0 ? from + (to - from) * (place(value) - place(low)) / span : (from + to) / 2;
  }
};

bool spans(double low, double high) {
  return low > 0 && high > kLogSpan * low;
}

std::vector<size_t> by_x(const LineChart& chart) {
  std::vector<size_t> order(chart.x.size());
  std::iota(order.begin(), order.end(), size_t{0});
  std::stable_sort(order.begin(), order.end(),
                   [&](size_t a, size_t b) { return chart.x[a] < chart.x[b]; });
  return order;
}

std::vector<double> y_ticks(const LineChart& chart, Axis& y) {
  double low = INFINITY, high = 0;
  for (const LineSeries& series : chart.series) {
    for (const double value : series.y) {
      if (!std::isfinite(value)) continue;
      low = std::min(low, value);
      high = std::max(high, value);
    }
  }
  y.log = spans(low, high);
  std::vector<double> ticks = y.log ? log_ticks(low, high, 7) : nice_ticks(high, 7);
  y.low = ticks.front();
  y.high = ticks.back();
  return ticks;
}

std::string draw_x(const LineChart& chart, const Axis& x, double bottom, double top) {
  std::string out;
  double free = 0;
  for (const size_t i : by_x(chart)) {
    const double at = x.at(chart.x[i]), half = text_width(chart.x_labels[i], kTextSize, false) / 2;
    out += svg_line(at, top, at, bottom, "g");
    if (at - half < free) continue;
    free = at + half + 6;
    out += svg_text(at, bottom + 14, "class=\"n\" text-anchor=\"middle\"", chart.x_labels[i]);
  }
  return out;
}

std::string draw_series(const LineChart& chart, size_t s, const Axis& x, const Axis& y) {
  const LineSeries& series = chart.series[s];
  std::string path, points;
  bool open = false;
  for (const size_t i : by_x(chart)) {
    const bool known = i < series.y.size() && std::isfinite(series.y[i]);
    if (known) {
      const double px = x.at(chart.x[i]), py = y.at(series.y[i]);
      path += fmt::format("{}{} {}", open ? "L" : "M", num(px), num(py));
      points += fmt::format("<circle class=\"s{}\" cx=\"{}\" cy=\"{}\" r=\"3.5\"/>", s % 8, num(px),
                            num(py));
    }
    open = known;
  }
  if (path.empty()) return "";
  return fmt::format("<g><title>{}</title><path class=\"l{}\" d=\"{}\"/>{}</g>",
                     escape_html(series.name), s % 8, path, points);
}

}  // namespace

std::string draw(const LineChart& chart, double width) {
  Axis x, y;
  const std::vector<double> ticks = y_ticks(chart, y);
  double label = 0, first = 0, last = 0;
  for (const double tick : ticks)
    label = std::max(label, text_width(tick_text(tick, chart.unit), kTextSize, false));
  const std::vector<size_t> order = by_x(chart);
  if (!order.empty()) {
    x.low = chart.x[order.front()];
    x.high = chart.x[order.back()];
    first = text_width(chart.x_labels[order.front()], kTextSize, false) / 2;
    last = text_width(chart.x_labels[order.back()], kTextSize, false) / 2;
  }
  x.log = spans(x.low, x.high);
  const double left = label + 10;
  x.from = left + std::max(10.0, first - label);
  x.to = width - std::max(10.0, last + 2);
  const std::string suffix = ", logarithmic axis";
  const auto above = wrap_label(chart.y_axis + (y.log ? suffix : ""), width - 4, kTextSize, false);
  const auto below =
      wrap_label(chart.x_axis + (x.log ? suffix : ""), width - left - 4, kTextSize, false);
  const double top = static_cast<double>(above.size()) * kLine + 10, bottom = top + kHeight;
  y.from = bottom;
  y.to = top;
  std::string body;
  for (size_t i = 0; i < above.size(); ++i)
    body += svg_text(2, 11 + kLine * static_cast<double>(i), "class=\"n\"", above[i]);
  for (const double tick : ticks) {
    body += svg_line(left, y.at(tick), width - 2, y.at(tick), "g");
    body += svg_text(left - 6, y.at(tick) + 4, "class=\"n\" text-anchor=\"end\"",
                     tick_text(tick, chart.unit));
  }
  body += draw_x(chart, x, bottom, top) + svg_line(left, top, left, bottom, "x") +
          svg_line(left, bottom, width - 2, bottom, "x");
  for (size_t s = 0; s < chart.series.size(); ++s) body += draw_series(chart, s, x, y);
  for (size_t i = 0; i < below.size(); ++i)
    body += svg_text(left, bottom + 32 + kLine * static_cast<double>(i), "class=\"n\"", below[i]);
  return svg_frame(width, bottom + 32 + kLine * static_cast<double>(below.size()), chart.title,
                   body);
}

}  // namespace spikeloom
