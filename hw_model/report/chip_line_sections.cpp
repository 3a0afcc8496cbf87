// Energy and latency of many runs on chips as lines over a swept key.
#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <cmath>
#include <limits>
#include <map>
#include <memory>
#include <optional>

#include "hw_model/report/chip_sections.hpp"
#include "hw_model/report/draw/line_chart.hpp"
#include "hw_model/report/draw/svg.hpp"

namespace spikeloom {
namespace {

constexpr double kNone = std::numeric_limits<double>::quiet_NaN();
constexpr size_t kMostLines = 8;

std::optional<double> number_of(const std::string& text) {
  double value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  const bool whole = error == std::errc() && end == text.data() + text.size();
  return whole && std::isfinite(value) ? std::optional(value) : std::nullopt;
}

// The swept key of the x axis: the first with two different values, all numbers. -1: none.
int axis_key(const ChipReport& report) {
  const size_t keys = report.runs.empty() ? 0 : report.runs[0].settings.size();
  for (size_t key = 0; key < keys; ++key) {
    bool numbers = true, differ = false;
    for (const ChipRun& run : report.runs) {
      numbers = numbers && number_of(run.settings[key].second);
      differ = differ || run.settings[key].second != report.runs[0].settings[key].second;
    }
    if (numbers && differ) return static_cast<int>(key);
  }
  return -1;
}

struct Lines {
  std::vector<std::string> labels;  // values of the key, in the order of the runs
  std::vector<double> x;
  std::vector<std::string> names;                 // series
  std::vector<std::vector<const ChipRun*>> runs;  // [series][x]; null: refused
};

Lines lines_of(const ChipReport& report, size_t key) {
  Lines lines;
  const auto index_of = [](std::vector<std::string>& list, const std::string& text) {
    const auto found = std::find(list.begin(), list.end(), text);
    if (found != list.end()) return static_cast<size_t>(found - list.begin());
    list.push_back(text);
    return list.size() - 1;
  };
  for (const ChipRun& run : report.runs) {
    const std::string& value = run.settings[key].second;
    std::string name = run.label;
    const std::string setting = " " + run.settings[key].first + "=" + value;
    if (const size_t at = name.rfind(setting); at != name.npos) name.erase(at, setting.size());
    const size_t at = index_of(lines.labels, value), series = index_of(lines.names, name);
    if (lines.x.size() < lines.labels.size()) lines.x.push_back(*number_of(value));
    lines.runs.resize(lines.names.size());
    lines.runs[series].resize(std::max(lines.runs[series].size(), at + 1), nullptr);
    if (run.refused.empty()) lines.runs[series][at] = &run;
  }
  return lines;
}

// Lines with the same values cover each other.
std::vector<std::string> coinciding(const LineChart& chart) {
  std::map<std::vector<double>, std::vector<std::string>> by_values;
  for (const LineSeries& series : chart.series) {
    const bool whole = std::none_of(series.y.begin(), series.y.end(),
                                    [](double value) { return std::isnan(value); });
    if (whole) by_values[series.y].push_back(series.name);
  }
  std::vector<std::string> notes;
  for (const auto& [values, names] : by_values) {
    if (names.size() > 1)
      notes.push_back(fmt::format("One line, the same values: {}.", fmt::join(names, "; ")));
  }
  return notes;
}

Section line_section(const char* id, const std::string& heading, const ChipReport& report,
                     const Lines& lines, const std::string& key, Show show, double ChipRun::*field,
                     double AcceleratorRow::*dense_field) {
  LineChart chart;
  chart.title = heading + " against " + key;
  chart.x_axis = key;
  chart.y_axis = heading;
  chart.unit = show == Show::kJoule ? "J" : "s";
  chart.x = lines.x;
  chart.x_labels = lines.labels;
  Section out{id, heading};
  out.page_only = true;
  out.table.columns = {{key, Align::kLeft}};
  for (const std::string& label : lines.labels) out.table.columns.push_back({label});
  const auto add = [&](const std::string& name, const std::vector<double>& values) {
    if (std::none_of(values.begin(), values.end(), [](double v) { return v > 0; })) return;
    out.table.rows.push_back({name});
    for (const double value : values)
      out.table.rows.back().emplace_back(show, value, std::isnan(value) ? "refused" : "");
    if (chart.series.size() == kMostLines) return;
    out.picture.legend.push_back({static_cast<int>(chart.series.size()), name});
    chart.series.push_back({name, values});
  };
  for (size_t s = 0; s < lines.names.size(); ++s) {
    std::vector<double> values(lines.x.size(), kNone);
    for (size_t i = 0; i < lines.runs[s].size(); ++i) {
      if (lines.runs[s][i] != nullptr) values[i] = lines.runs[s][i]->*field;
    }
    add(lines.names[s], values);
  }
  for (const AcceleratorRow& row : report.dense)
    add(row.label(), std::vector<double>(lines.x.size(), row.*dense_field));
  if (chart.series.empty()) return {};
  out.notes = coinciding(chart);
  if (out.table.rows.size() > chart.series.size())
    out.notes.push_back(fmt::format("The first {} of {} lines are drawn; the table has all.",
                                    chart.series.size(), out.table.rows.size()));
  out.picture.draw = [shared = std::make_shared<const LineChart>(std::move(chart))](double width) {
    return draw(*shared, width);
  };
  return out;
}

}  // namespace

std::vector<Section> chip_line_sections(const ChipReport& report) {
  const int key = axis_key(report);
  if (key < 0) return {};
  const std::string name = report.runs[0].settings[static_cast<size_t>(key)].first;
  const Lines lines = lines_of(report, static_cast<size_t>(key));
  return {line_section("energy-line", "Energy per inference", report, lines, name, Show::kJoule,
                       &ChipRun::total_j, &AcceleratorRow::joules),
          line_section("latency-line", "Latency of an inference", report, lines, name,
                       Show::kSecond, &ChipRun::latency_s, &AcceleratorRow::seconds)};
}

}  // namespace spikeloom
