#include "hw_model/report/draw/raster_chart.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "hw_model/report/draw/svg.hpp"

namespace spikeloom {
namespace {

constexpr double kSize = 11;

struct Frame {
  double x = 0, y = 0, width = 0, height = 0;
  double cell_w = 0, cell_h = 0;
};

std::string rectangle(const Frame& f, const char* css_class) {
  return fmt::format("<path class=\"{}\" d=\"M{} {}h{}v{}h-{}z\"/>", css_class, num(f.x), num(f.y),
                     num(f.width), num(f.height), num(f.width));
}

std::string place(const Frame& f, const std::string& id) {
  return fmt::format("<use href=\"#{}\" transform=\"translate({} {}) scale({:.4f} {:.4f})\"/>", id,
                     num(f.x), num(f.y), f.cell_w, f.cell_h);
}

std::string neuron_axis(const LayerRaster& raster, const Frame& f) {
  std::string out = svg_text(0, 11, "class=\"n\"", "neuron");
  const auto last = static_cast<double>((raster.shown - 1) * raster.stride);
  for (const double neuron : nice_ticks(std::max(last, 1.0), 6)) {
    const double row = neuron / static_cast<double>(raster.stride);
    if (neuron > last || (last == 0 && neuron > 0)) break;
    const double y = f.y + (row + 0.5) * f.cell_h;
    out += svg_line(f.x - 4, y, f.x, y, "x");
    out += svg_text(f.x - 7, y + 4, "class=\"n\" text-anchor=\"end\"",
                    grouped(static_cast<int64_t>(neuron)));
  }
  return out;
}

// Ticks at the steps of a single sample, otherwise a line and a number for each sample.
std::string step_axis(const LayerRaster& raster, const Frame& f, double page) {
  std::string out;
  const auto& columns = raster.columns;
  const bool one = columns.front().sample == columns.back().sample;
  double free = -1;
  for (size_t c = 0; c < columns.size(); ++c) {
    const bool begins = c == 0 || columns[c].sample != columns[c - 1].sample;
    if (!one && !begins) continue;
    size_t end = c + 1;
    while (!one && end < columns.size() && columns[end].sample == columns[c].sample) ++end;
    const double left = f.x + f.cell_w * static_cast<double>(c);
    const double centre = (left + f.x + f.cell_w * static_cast<double>(end)) / 2;
    if (!one && c > 0) out += svg_line(left, f.y, left, f.y + f.height, "g");
    const std::string label = std::to_string(one ? columns[c].step : columns[c].sample);
    const double half = text_width(label, kSize, false) / 2;
    if (centre - half < free || centre + half > page) continue;
    free = centre + half + 8;
    out += svg_line(centre, f.y + f.height, centre, f.y + f.height + 4, "x");
    out += svg_text(centre, f.y + f.height + 16, "class=\"n\" text-anchor=\"middle\"", label);
  }
  const std::string title =
      one ? fmt::format("step of sample {}", columns.front().sample)
          : "sample (index in the dataset); a column is a step, lines part the samples";
  const auto lines = wrap_label(title, page - f.x, kSize, false);
  for (size_t i = 0; i < lines.size(); ++i)
    out +=
        svg_text(f.x, f.y + f.height + 32 + 14 * static_cast<double>(i), "class=\"n\"", lines[i]);
  return out;
}

}  // namespace

std::string raster_defs(const LayerRaster& raster) {
  if (raster.columns.empty() || raster.shown == 0) return "";
  return fmt::format("<path id=\"raster\" class=\"q\" stroke-width=\".92\" d=\"{}\"/>",
                     run_path(raster.cells, static_cast<int64_t>(raster.columns.size())));
}

std::string draw_raster(const LayerRaster& raster, double width) {
  if (raster.columns.empty() || raster.shown == 0) return "";
  const auto columns = static_cast<double>(raster.columns.size());
  const auto rows = static_cast<double>(raster.shown);
  Frame f;
  f.x = text_width(grouped((raster.shown - 1) * raster.stride), kSize, false) + 10;
  f.x = std::max(f.x, 24.0);
  f.y = 20;
  f.cell_w = std::min((width - f.x - 2) / columns, 36.0);
  f.cell_h = std::clamp(400 / rows, 1.0, 14.0);
  f.width = f.cell_w * columns;
  f.height = f.cell_h * rows;
  const std::string steps = step_axis(raster, f, width);
  const std::string body =
      rectangle(f, "f") + neuron_axis(raster, f) + steps + place(f, "raster") + rectangle(f, "o");
  return svg_frame(width, f.y + f.height + (width < 600 ? 66 : 38),
                   "Spike raster of " + raster.name, body);
}

std::string maps_defs(const SpikeMaps& maps) {
  std::string out;
  for (size_t i = 0; i < maps.values.size(); ++i)
    out += fmt::format("<g id=\"map{}\" stroke-width=\"1\">{}</g>", i,
                       shade_paths(maps.values[i], maps.width, maps.high));
  return out;
}

std::string draw_maps(const SpikeMaps& maps, const std::string& layer, double width) {
  if (maps.values.empty()) return "";
  const size_t per_line = width < 600 ? 2 : 4, count = maps.values.size();
  constexpr double kGap = 14, kHead = 18;
  const double room =
      (width - kGap * static_cast<double>(per_line - 1)) / static_cast<double>(per_line) - 2;
  const double cell = room / static_cast<double>(std::max(maps.width, maps.height));
  Frame f;
  f.cell_w = f.cell_h = cell;
  f.width = cell * static_cast<double>(maps.width);
  f.height = cell * static_cast<double>(maps.height);
  std::string body;
  for (size_t i = 0; i < count; ++i) {
    f.x = 1 + (room + kGap) * static_cast<double>(i % per_line);
    f.y = kHead + (f.height + kHead + 6) * static_cast<double>(i / per_line);
    body += svg_text(f.x, f.y - 6, "class=\"n\"", fmt::format("step {}", maps.steps[i]));
    body += place(f, fmt::format("map{}", i)) + rectangle(f, "o");
  }
  return svg_frame(width, f.y + f.height + 2,
                   fmt::format("Spikes of {} by pixel, one map for each step", layer), body);
}

}  // namespace spikeloom
