#pragma once
// Horizontal bars, a row for each layer or scheme, optionally with a heat map beside them.
//
// draw() lays the same chart out for a width: from 600 units on labels stand left of the bars,
// below that above them. Labels wrap, no two texts overlap, nothing leaves the picture. Values that
// are NaN are texts without a bar. A long chart becomes several <svg> on one scale, a page of paper
// each. Thread-safe: pure functions.

#include <string>
#include <vector>

namespace spikeloom {

struct BarSegment {
  double value = 0;
  int color = 0;  // series, 0 to 7; wraps around
};

struct Bar {
  std::vector<BarSegment> segments;  // stacked; on a log axis give one
  std::string text;                  // behind the bar
  double from = 0;                   // above 0: a range from here to the value of its one segment
  bool pale = false;                 // an estimate
};

struct BarRow {
  std::string label;
  std::string tip;  // tooltip of the row
  std::vector<Bar> bars;
  std::vector<double> cells;  // heat map; NaN: not recorded
  bool heading = false;       // a bold line without bars
};

struct BarChart {
  std::string title;  // for readers who do not see it
  std::string axis;   // above the ticks
  std::string unit;   // of ticks; "%": values are fractions
  bool log = false;   // positive values on a logarithmic axis; zeros are texts
  bool mono = true;   // labels are names of modules
  std::vector<BarRow> rows;
  std::string heat_axis;                 // "" where no row has cells
  std::vector<std::string> heat_labels;  // one per cell
  double heat_high = 0;                  // value of the darkest shade
};

constexpr double kWide = 880, kNarrow = 360;

std::string draw(const BarChart& chart, double width);

// Logarithmic when positive values span more than `factor`, where small bars would vanish on a
// linear axis; the axis says so behind what it measures.
void choose_axis(BarChart& chart, const std::string& measured, double factor);

}  // namespace spikeloom
