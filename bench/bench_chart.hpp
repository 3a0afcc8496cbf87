#pragma once
// Ratios over firing rates: lines in a diagram with two logarithmic axes and a heavier line at 1.

#include <string>
#include <vector>

namespace spikeloom {

struct RatioPoint {
  double rate = 0, ratio = 0;  // points with a rate or ratio of 0 are left out
};

struct RatioLine {
  std::string name;
  int color = 0;  // 0 to 7, as of the page's series
  bool dashed = false;
  std::vector<RatioPoint> points;  // ascending rates
};

struct RatioChart {
  std::string title;  // for readers who do not see it
  std::string axis;   // above the ratios
  std::vector<RatioLine> lines;
};

// An <svg> of this width; "" where there is nothing to draw.
std::string draw(const RatioChart& chart, double width);

}  // namespace spikeloom
