#pragma once
// Values against a swept number: a line for each series, its points marked.
//
// draw() lays the same chart out for a width. Ticks of the x axis are the swept values; axes are
// logarithmic where positive values span more than a decade and a half. No two texts overlap,
// nothing leaves the picture. Thread-safe: pure functions.

#include <string>
#include <vector>

namespace spikeloom {

struct LineSeries {
  std::string name;       // tooltip
  std::vector<double> y;  // one per x; NaN: no point
};

struct LineChart {
  std::string title;           // for readers who do not see it
  std::string x_axis, y_axis;  // texts
  std::string unit;            // of y
  std::vector<double> x;       // finite, in any order
  std::vector<std::string> x_labels;
  std::vector<LineSeries> series;  // colours 0, 1, ...
};

std::string draw(const LineChart& chart, double width);

}  // namespace spikeloom
