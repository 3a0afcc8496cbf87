#include "hw_model/report/page_chip.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <memory>

#include "core/io/text.hpp"
#include "hw_model/chip/noc.hpp"
#include "hw_model/report/chip_sections.hpp"
#include "hw_model/report/draw/html.hpp"
#include "hw_model/report/draw/svg.hpp"
#include "hw_model/report/report_view.hpp"

namespace spikeloom {
namespace {

constexpr double kNone = std::numeric_limits<double>::quiet_NaN();
constexpr size_t kMostTableRows = 200;

// A row-major picture of equal cells; NaN where there is nothing.
struct Map {
  int64_t columns = 0, rows = 0;
  std::vector<double> values;
  double high = 0;

  Map(int64_t width, int64_t height)
      : columns(width), rows(height), values(static_cast<size_t>(width * height), kNone) {}
  void set(int64_t x, int64_t y, double value) {
    values[static_cast<size_t>(y * columns + x)] = value;
    high = std::max(high, value);
  }
};

std::string draw_map(const Map& map, const std::string& title, double width) {
  const double cell = std::min(
      {(width - 2) / static_cast<double>(map.columns), 40.0, 700 / static_cast<double>(map.rows)});
  const double w = cell * static_cast<double>(map.columns),
               h = cell * static_cast<double>(map.rows);
  std::string body =
      fmt::format("<path class=\"f\" d=\"M1 1h{}v{}h-{}z\"/>", num(w), num(h), num(w));
  body += fmt::format("<g stroke-width=\".92\" transform=\"translate(1 1) scale({:.4f})\">{}</g>",
                      cell, shade_paths(map.values, map.columns, map.high));
  body += fmt::format("<path class=\"o\" d=\"M1 1h{}v{}h-{}z\"/>", num(w), num(h), num(w));
  return svg_frame(width, h + 2, title, body);
}

void set_map(Section& section, Map map, const std::string& unit) {
  section.page_only = true;
  section.picture.heat_high = map.high;
  section.picture.heat_unit = unit;
  section.picture.draw = [title = section.heading,
                          shared = std::make_shared<const Map>(std::move(map))](double width) {
    return draw_map(*shared, title, width);
  };
}

Cell exact_of(int64_t value) {
  return {Show::kExact, static_cast<double>(value)};
}

// Cores of a tile stand in a small square; north is up.
Section cores_section(const ChipRun& run, const ChipSpec& chip) {
  const Geometry geometry(chip);
  const auto side_x =
      static_cast<int64_t>(std::ceil(std::sqrt(static_cast<double>(chip.cores_per_tile))));
  const int64_t side_y = (chip.cores_per_tile + side_x - 1) / side_x;
  Map map(geometry.width * side_x, geometry.height * side_y);
  Section out{"cores", "Activity of the cores"};
  out.table.columns = {
      {"core"},       {"chip"},        {"tile"},           {"slot"}, {"synaptic events"},
      {"packets in"}, {"packets out"}, {"dynamic energy"}, {"busy"}};
  std::vector<ChipRun::Core> rows = run.core_rows;
  for (const ChipRun::Core& core : rows) {
    const TilePlace tile = geometry.tile_of_core(core.core);
    map.set(tile.x * side_x + core.slot % side_x,
            (geometry.height - 1 - tile.y) * side_y + core.slot / side_x,
            static_cast<double>(core.events));
  }
  if (rows.empty() || map.high <= 0) return {};
  std::stable_sort(rows.begin(), rows.end(),
                   [](const auto& a, const auto& b) { return a.joules > b.joules; });
  const size_t all = rows.size();
  rows.resize(std::min(all, kMostTableRows));
  for (const ChipRun::Core& core : rows) {
    out.table.rows.push_back({exact_of(core.core),
                              exact_of(core.chip),
                              exact_of(core.tile),
                              exact_of(core.slot),
                              exact_of(core.events),
                              exact_of(core.packets_in),
                              exact_of(core.packets_out),
                              {Show::kJoule, core.joules},
                              {Show::kSecond, core.busy_s}});
  }
  out.notes = {
      fmt::format("Synaptic events of the whole run by core: {} x {} tiles, {} cores each, north "
                  "up; empty: not in use.",
                  geometry.width, geometry.height, chip.cores_per_tile)};
  out.table.caption = all > rows.size()
                          ? fmt::format("The {} of {} cores that need most", rows.size(), all)
                          : "Every core in use, most energy first";
  set_map(out, std::move(map), "synaptic events");
  return out;
}

// Between two tiles stands the busier of their two links; links around a torus are in the table.
Section links_section(const ChipSpec& chip, const ReplayResult& result) {
  const Geometry geometry(chip);
  if (result.link_flits.empty() || geometry.tiles() < 2) return {};
  Map map(2 * geometry.width - 1, 2 * geometry.height - 1);
  struct Link {
    Direction direction;
    TilePlace tile;
    int64_t flits;
  };
  std::vector<Link> used;
  std::vector<double> shown(map.values.size(), 0);
  for (int32_t y = 0; y < geometry.height; ++y) {
    for (int32_t x = 0; x < geometry.width; ++x) {
      for (const Direction d : {kEast, kWest, kNorth, kSouth}) {
        const int64_t flits = result.link_flits[static_cast<size_t>(geometry.link(d, {x, y}))];
        if (flits > 0) used.push_back({d, {x, y}, flits});
        const int64_t column = 2 * x + (d == kEast) - (d == kWest);
        const int64_t row = 2 * (geometry.height - 1 - y) - (d == kNorth) + (d == kSouth);
        if (column < 0 || column >= map.columns || row < 0 || row >= map.rows) continue;
        double& most = shown[static_cast<size_t>(row * map.columns + column)];
        most = std::max(most, static_cast<double>(flits));
        map.set(column, row, most);
      }
    }
  }
  if (used.empty()) return {};
  std::stable_sort(used.begin(), used.end(),
                   [](const Link& a, const Link& b) { return a.flits > b.flits; });
  Section out{"links", "Load of the links"};
  out.table.columns = {{"link", Align::kLeft}, {"x"}, {"y"}, {"flits"}};
  const size_t all = used.size();
  used.resize(std::min(all, kMostTableRows));
  for (const Link& link : used) {
    out.table.rows.push_back({kDirectionNames[link.direction], exact_of(link.tile.x),
                              exact_of(link.tile.y), exact_of(link.flits)});
  }
  out.notes = {
      "Flits of the whole run. The cells between tiles are their links, the busier direction of "
      "the two; tiles themselves are empty, north is up."};
  out.table.caption =
      fmt::format("The {} busiest of {} links in use, by the tile they leave", used.size(), all);
  set_map(out, std::move(map), "flits");
  return out;
}

}  // namespace

std::string chip_page(const std::string& title, const ChipRun& run, const ChipSpec& chip,
                      const ReplayResult& result) {
  const ChipVerdict verdict = verdict_of(run);
  std::string body =
      verdict_box(name_of(verdict.outcome), ": " + headline_of(run), mark_of(verdict.outcome));
  if (!run.unpriced.empty()) {
    body += warning_box(fmt::format("{} kinds of work have no price here; they are listed below",
                                    run.unpriced.size()));
  }
  body += fact_boxes({
      {"energy per inference", si_text(run.total_j, "J"),
       fmt::format("of what has a price, {}-bit weights", run.weight_bits)},
      {"synaptic work", share_text(run.coverage.priced),
       fmt::format("priced, {} on the chip", share_text(run.coverage.on_chip))},
      {"latency", run.known.time ? si_text(run.latency_s, "s") : "not known",
       std::string(name_of(run.level)) + " level"},
      {"cores", grouped(run.cores_used),
       fmt::format("of {}; {} of {} chips in use", run.cores, run.chips_used, run.chips)},
      {"utilisation", run.known.time ? percent_or_text(run.utilisation) : "not known",
       "of the cores in use"},
      {"weakest evidence", std::string(1, run.weakest), run.chip_source},
  });
  for (const std::string& line : chip_lines(run)) body += paragraph(line);
  std::vector<Section> sections = chip_sections(run);
  Section maps[] = {cores_section(run, chip), links_section(chip, result)};
  sections.insert(sections.begin() + 1, std::begin(maps), std::end(maps));
  body += to_html(sections);
  return page("On a chip: " + run.label, title, body,
              "Written by spikeloom chip; the page loads nothing and runs no script.");
}

}  // namespace spikeloom
