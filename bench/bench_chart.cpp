#include "bench/bench_chart.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <set>

#include "hw_model/report/draw/svg.hpp"

namespace spikeloom {
namespace {

constexpr double kHeight = 260, kTop = 24, kBottom = 40, kLeft = 44, kRight = 12;

// A logarithmic axis from `low` at `from` to `high` at `to`.
struct Axis {
  double low = 1, high = 1, from = 0, to = 0;
  double at(double value) const {
    return from + (to - from) * std::log(value / low) / std::log(high / low);
  }
};

bool drawn(const RatioPoint& point) {
  return point.rate > 0 && point.ratio > 0 && std::isfinite(point.ratio);
}

// 1, 2, 5 x 10^k from the last one <= low to the first one >= high.
std::vector<double> round_values(double low, double high) {
  std::vector<double> values;
  for (int power = static_cast<int>(std::floor(std::log10(low))) - 1; power < 12; ++power) {
    for (const double digit : {1.0, 2.0, 5.0}) {
      const double value = digit * std::pow(10.0, power);
      if (value <= low) values.clear();
      values.push_back(value);
      if (value >= high) return values;
    }
  }
  return values;
}

std::string ratio_axis(const std::vector<double>& ticks, const Axis& y, const Axis& x) {
  std::string out;
  for (const double tick : ticks) {
    const double at = y.at(tick);
    out += svg_line(x.from, at, x.to, at, tick == 1.0 ? "x" : "g");
    out += svg_text(x.from - 6, at + 4, "class=\"n\" text-anchor=\"end\"",
                    fmt::format("{:g}\u00D7", tick));
  }
  return out;
}

std::string rate_axis(const std::set<double>& rates, const Axis& x, const Axis& y) {
  std::string out;
  double free = 0;
  for (const double rate : rates) {
    const std::string label = fmt::format("{:.3g} %", 100 * rate);
    const double half = text_width(label, 11, false) / 2, at = x.at(rate);
    out += svg_line(at, y.from, at, y.from + 4, "x");
    const double centre = std::clamp(at, half, x.to + kRight - half);
    if (centre - half < free) continue;
    free = centre + half + 6;
    out += svg_text(centre, y.from + 16, "class=\"n\" text-anchor=\"middle\"", label);
  }
  return out + svg_text(x.from, y.from + 33, "class=\"n\"", "firing rate as measured");
}

std::string polyline(const RatioLine& line, const Axis& x, const Axis& y) {
  const std::string color = fmt::format("var(--s{})", line.color % 8);
  std::string path, dots;
  for (const RatioPoint& point : line.points) {
    if (!drawn(point)) continue;
    const std::string place = num(x.at(point.rate)) + " " + num(y.at(point.ratio));
    path += (path.empty() ? "M" : "L") + place;
    dots += fmt::format(
        "<circle cx=\"{}\" cy=\"{}\" r=\"3\" class=\"s{}\"><title>{}: {} at {:.3g} %</title>"
        "</circle>",
        num(x.at(point.rate)), num(y.at(point.ratio)), line.color % 8, escape_html(line.name),
        times_text(point.ratio, 1), 100 * point.rate);
  }
  return fmt::format("<path d=\"{}\" style=\"fill:none;stroke:{};stroke-width:2{}\"/>", path, color,
                     line.dashed ? ";stroke-dasharray:5 4" : "") +
         dots;
}

}  // namespace

std::string draw(const RatioChart& chart, double width) {
  std::set<double> rates;
  double low = 1, high = 1;
  for (const RatioLine& line : chart.lines) {
    for (const RatioPoint& point : line.points) {
      if (!drawn(point)) continue;
      rates.insert(point.rate);
      low = std::min(low, point.ratio);
      high = std::max(high, point.ratio);
    }
  }
  if (rates.empty()) return "";
  const std::vector<double> ticks = round_values(low, high * 1.0001);
  const double first = *rates.begin(), last = *rates.rbegin();
  const Axis x{first * (first == last ? 0.5 : 1.0), last * (first == last ? 2.0 : 1.0), kLeft,
               width - kRight};
  const Axis y{ticks.front(), ticks.back(), kHeight - kBottom, kTop};
  std::string body = svg_text(0, 11, "class=\"n\"", chart.axis);
  body += ratio_axis(ticks, y, x) + rate_axis(rates, x, y);
  for (const RatioLine& line : chart.lines) body += polyline(line, x, y);
  return svg_frame(width, kHeight, chart.title, body);
}

}  // namespace spikeloom
